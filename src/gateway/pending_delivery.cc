// The second half of the walk of a message that a handler works on: its result is saved, then its
// client is answered.  And messages whose handler was interrupted.
#include <algorithm>

#include "base/fault_point.h"
#include "gateway/gateway.h"

namespace sealpost {
namespace {

constexpr Milliseconds kClaimInterval = 10 * kSecond;

Status status_of(const HandlerResult& result) {
  switch (result.kind) {
    case HandlerResult::Kind::kDone:
      return Status::kAccepted;
    case HandlerResult::Kind::kFailed:
      return Status::kFailed;
    case HandlerResult::Kind::kInterrupted:
      break;
  }
  return Status::kInProgress;
}

}  // namespace

void Gateway::finish(std::span<PendingDelivery* const> done, Time now) {
  FAULT_POINT("handled");
  std::vector<JobResult> results;
  for (PendingDelivery* delivery : done) {
    log_handler_errors(*delivery, now);
    results.push_back({delivery->job.number, delivery->job.digest, status_of(delivery->result),
                       std::move(delivery->result.reply)});
  }
  const SnapshotResult snapshot = take_snapshot();
  std::vector<SavedResult> saved;
  std::optional<std::string> fault_of_all;
  try {
    if (!snapshot) throw Fault(snapshot.error());
    saved = snapshot->store.save_results(results, now);
    FAULT_POINT("settled");
  } catch (const std::exception& fault) {
    // Nothing is said of any of them: their leases end, and another run claims them.
    fault_of_all = fault.what();
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
    if (has_client) delivery->response = std::move(answered.response);
    requester = std::move(answered.requester);
  }
  log_.flush();
  drop_resources_after_fault();
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

std::vector<PendingDelivery> Gateway::claim_overdue(Time now) {
  claimed_at_ = now;
  const SnapshotResult snapshot = take_snapshot();
  drop_resources_after_fault();
  if (!snapshot) throw Fault(snapshot.error());
  const auto& [settings, keyring, routes, store] = *snapshot;
  std::vector<WorkerPool::Place> places;
  while (auto place = pool_.reserve(settings.handlers)) places.push_back(std::move(*place));

  std::vector<PendingDelivery> claimed;
  for (DeliveryJob& job : store.claim_overdue(places.size(), settings.lease(), now)) {
    const Route* route = routes.match(job.topic, job.claims);
    Requester nobody;
    nobody.entry.name = job.name;
    nobody.entry.topic = job.topic;
    nobody.entry.number = job.number;
    nobody.stored = true;
    claimed.push_back({
        .job = std::move(job),
        .target = route == nullptr ? Target{.kind = Target::Kind::kReject} : route->to,
        .limits = {settings.handler_timeout, &pool_.stop_flag()},
        .requester = std::move(nobody),
        .place = std::move(places.back()),
    });
    places.pop_back();
  }
  return claimed;
}

bool Gateway::should_claim_overdue(Time now) const {
  return resources_ && distance(now, claimed_at_) >= kClaimInterval;
}

void Gateway::log_handler_errors(const PendingDelivery& delivery, Time now) {
  std::string_view errors = delivery.result.errors;
  while (!errors.empty()) {
    const std::string_view line = errors.substr(0, errors.find('\n'));
    log_.handler(delivery.job.number, delivery.job.attempt, delivery.job.name, line, now);
    errors.remove_prefix(std::min(line.size() + 1, errors.size()));
  }
}

}  // namespace sealpost
