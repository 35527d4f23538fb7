// The second half of the walk of a message that a handler works on: its result is saved, then its
// client is answered.  And messages whose handler was interrupted.
#include <algorithm>
#include <iterator>
#include <thread>

#include "base/fault_point.h"
#include "gateway/gateway.h"

namespace sealpost {
namespace {

constexpr Milliseconds kClaimInterval = 10 * kSecond;
constexpr auto kSaveInterval = std::chrono::milliseconds(500);
constexpr Milliseconds kShortestRest = kSecond;
constexpr Milliseconds kLongestRest = 60 * kSecond;

// After an eighth of the message's age, within bounds (PROTOCOL 6).
Milliseconds rest_after(Milliseconds age) {
  return std::clamp(age / 8, kShortestRest, kLongestRest);
}

// What is saved of a handler that could not be started.
void save_not_begun(JobResult& saved, Time received_at, Milliseconds patience, Time now) {
  const Milliseconds age = now > received_at ? now - received_at : Milliseconds{0};
  if (age > patience) {
    saved.status = Status::kFailed;
  } else {
    saved.retry_at = now + rest_after(age);
  }
}

JobResult job_result_of(PendingDelivery& delivery, Milliseconds patience, Time now) {
  const DeliveryJob& job = delivery.job;
  JobResult saved{job.number, job.digest, job.attempt, Status::kInProgress, {}, {}};
  switch (delivery.result.kind) {
    case HandlerResult::Kind::kDone:
      saved.status = Status::kAccepted;
      saved.reply = std::move(delivery.result.reply);
      break;
    case HandlerResult::Kind::kFailed:
      saved.status = Status::kFailed;
      break;
    case HandlerResult::Kind::kNotBegun:
      save_not_begun(saved, job.received_at, patience, now);
      break;
    case HandlerResult::Kind::kInterrupted:
      break;
  }
  return saved;
}

}  // namespace

void Gateway::finish(std::span<PendingDelivery* const> done, Time now) {
  FAULT_POINT("handled");
  const SnapshotResult snapshot = take_snapshot();
  const Milliseconds patience =
      snapshot ? snapshot->settings.handler_patience : Settings{}.handler_patience;
  std::vector<JobResult> results;
  for (PendingDelivery* delivery : done) {
    log_.handler(delivery->job.number, delivery->job.attempt, delivery->job.name,
                 delivery->result.errors, now);
    results.push_back(job_result_of(*delivery, patience, now));
  }
  std::vector<SavedResult> saved;
  std::optional<std::string> fault_of_all;
  try {
    if (!snapshot) throw Fault(snapshot.error());
    saved = snapshot->store.save_results(results, now);
    FAULT_POINT("settled");
  } catch (const std::exception& fault) {
    // Nothing is said of any of them.
    fault_of_all = fault.what();
    keep(std::move(results), done);
  }
  auto next = saved.begin();
  for (PendingDelivery* delivery : done) {
    Requester& requester = delivery->requester;
    const bool has_client = requester.session != nullptr;
    Answered answered = [&] {
      try {
        if (fault_of_all) throw Fault(*fault_of_all);
        return conclude(*delivery, std::move(*next++), *snapshot, now);
      } catch (const std::exception& fault) {
        return fail(requester, fault);
      }
    }();
    write_log(answered, now);
    delivery->at_work.reset();
    if (has_client) delivery->response = std::move(answered.response);
    requester = std::move(answered.requester);
  }
  log_.flush();
  drop_resources_after_fault();
}

void Gateway::keep(std::vector<JobResult> results, std::span<PendingDelivery* const> done) {
  std::move(results.begin(), results.end(), std::back_inserter(kept_results_));
  for (PendingDelivery* delivery : done) kept_marks_.push_back(std::move(*delivery->at_work));
}

void Gateway::save_kept_results(Time now) {
  kept_results_tried_at_ = std::chrono::steady_clock::now();
  try {
    const SnapshotResult snapshot = take_snapshot();
    if (snapshot) {
      (void)snapshot->store.save_results(kept_results_, now);
      kept_results_.clear();
      kept_marks_.clear();
    }
  } catch (const std::exception&) {
    has_failed_ = true;  // the log has said why; the next time will do
  }
  drop_resources_after_fault();
}

void Gateway::wait_until_saved(Milliseconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(longest);
  while (!kept_results_.empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kSaveInterval);
    save_kept_results(system_now());
  }
}

Answered Gateway::conclude(PendingDelivery& delivery, SavedResult saved, const Snapshot& snapshot,
                           Time now) {
  Requester& requester = delivery.requester;
  requester.entry.detail = delivery.result.why;
  if (!saved.known) return answer_plainly(std::move(requester), rejected(Reason::kSession));
  const bool interrupted = saved.status == Status::kInProgress;
  if (!requester.session) {
    return answer_sealed(std::move(requester), saved.status,
                         interrupted ? Reason::kInterrupted : Reason::kClaimed, {});
  }
  const Receipt receipt =
      receipt_for(requester.session->session, snapshot.keyring, saved.epoch, saved.next);
  return answer_record(std::move(requester), interrupted ? Reason::kInterrupted : Reason::kNone,
                       {saved.status, now, receipt, std::move(saved.reply)});
}

std::vector<PendingDelivery> Gateway::claim_overdue(Time now, std::size_t most) {
  claimed_at_ = now;
  const SnapshotResult snapshot = take_snapshot();
  drop_resources_after_fault();
  if (!snapshot) throw Fault(snapshot.error());
  const auto& [settings, keyring, routes, store] = *snapshot;
  std::vector<WorkerPool::Place> places;
  const JobOwner redelivery{};  // counts as one client, which has no name
  while (places.size() < most) {
    auto place = pool_.reserve(settings.handlers, redelivery);
    if (!place) break;
    places.push_back(std::move(*place));
  }

  std::vector<PendingDelivery> claimed;
  ClaimedJobs overdue = store.claim_overdue(places.size(), settings.lease(), pool_.at_work(), now);
  for (const std::int64_t number : overdue.unusable) report_unusable(number, now);
  for (DeliveryJob& job : overdue.jobs) {
    const Route* route = routes.match(job.topic, job.claims);
    Requester nobody;
    nobody.entry.name = job.name;
    nobody.entry.topic = job.topic;
    nobody.entry.number = job.number;
    nobody.stored = true;
    const std::int64_t number = job.number;
    claimed.push_back({
        .job = std::move(job),
        .target = route == nullptr ? Target{.kind = Target::Kind::kReject} : route->to,
        .limits = {settings.handler_timeout, &pool_.stop_flag(), &pool_.stop_starting_flag()},
        .requester = std::move(nobody),
        .place = std::move(places.back()),
        .at_work = pool_.at_work().add(number),
    });
    places.pop_back();
  }
  return claimed;
}

void Gateway::report_unusable(std::int64_t number, Time now) {
  log_.alarm("unusable", "",
             "Message " + std::to_string(number) +
                 " was in progress, but a part of it is missing or cannot be read, so no handler "
                 "can get it. It is marked as failed. Run `sealpost doctor`.",
             now);
  log_.flush();
}

bool Gateway::should_claim_overdue(Time now) const {
  return resources_ && distance(now, claimed_at_) >= kClaimInterval;
}

}  // namespace sealpost
