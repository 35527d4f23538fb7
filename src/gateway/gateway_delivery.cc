// The second half of the walk of a message that was handed over: its reply is kept, and then it is
// answered.
#include "base/fault_point.h"
#include "gateway/gateway.h"

namespace sealpost {
namespace {

constexpr Milliseconds kTakeUpInterval = 10 * kSecond;

// What a handler made of a message, in the protocol's words.
Status status_of(const HandlerResult& result) {
  switch (result.kind) {
    case HandlerResult::Kind::kDone:
      return Status::kAccepted;
    case HandlerResult::Kind::kFailed:
      return Status::kFailed;
    default:
      return Status::kInProgress;
  }
}

}  // namespace

std::vector<std::optional<Response>> Gateway::finish(
    std::span<const std::shared_ptr<PendingDelivery>> done, Time now) {
  FAULT_POINT("handled");
  looked_over_ = false;
  std::vector<JobResult> batch;
  for (const auto& one : done) {
    note_errors(*one, now);
    batch.push_back({one->job_.number, one->job_.digest, status_of(one->result_),
                     std::move(one->result_.reply)});
  }
  try {
    const std::vector<SavedResult> settled = house().store().settle(batch, now);
    FAULT_POINT("settled");
    for (std::size_t i = 0; i < done.size(); ++i) conclude(*done[i], settled[i], now);
  } catch (const std::exception& fault) {
    // Nothing is said of any of them: their leases will end, and they are taken up again.
    for (const auto& one : done) fail(one->caller_, fault);
  }
  std::vector<std::optional<Response>> responses;
  for (const auto& one : done) {
    note(one->caller_, now);
    if (!one->caller_.session) one->caller_.response.reset();
    responses.push_back(std::move(one->caller_.response));
  }
  log_.flush();
  return responses;
}

void Gateway::conclude(PendingDelivery& delivery, const SavedResult& settled, Time now) {
  Caller& caller = delivery.caller_;
  caller.entry.detail = delivery.result_.why;
  if (!settled.known) return caller.answer(refused(Reason::kSession));
  const bool in_progress = settled.status == Status::kInProgress;
  const Reason reason = in_progress      ? Reason::kInterrupted
                        : caller.session ? Reason::kNone
                                         : Reason::kClaimed;
  if (!caller.session) return caller.answer(settled.status, reason, {});
  caller.answer_sealed(settled.status, reason, now,
                       receipt_for(caller.session->session, settled.epoch, settled.next),
                       settled.reply);
}

std::vector<std::shared_ptr<PendingDelivery>> Gateway::claim_overdue(Time now) {
  looked_at_ = now;
  looked_over_ = false;
  std::vector<WorkerPool::Place> places;
  const Routes& routes = house().routes();
  while (auto place = pool_.reserve(settings_.handlers)) places.push_back(std::move(*place));
  std::vector<std::shared_ptr<PendingDelivery>> taken;
  for (DeliveryJob& job : house().store().claim_overdue(places.size(), settings_.lease(), now)) {
    const Route* route = routes.match(job.topic, job.claims);
    Caller nobody;
    nobody.entry.name = job.name;
    nobody.entry.topic = job.topic;
    nobody.entry.number = job.number;
    taken.push_back(std::make_shared<PendingDelivery>(
        std::move(job), route == nullptr ? Target{.kind = Target::Kind::kReject} : route->to,
        settings_.handler_timeout, std::move(nobody), std::move(places.back()), pool_.stop_flag()));
    places.pop_back();
  }
  return taken;
}

bool Gateway::should_claim_overdue(Time now) const {
  return house_ && distance(now, looked_at_) >= kTakeUpInterval;
}

void Gateway::note_errors(const PendingDelivery& delivery, Time now) {
  std::string_view errors = delivery.result_.errors;
  while (!errors.empty()) {
    const std::string_view line = errors.substr(0, errors.find('\n'));
    log_.handler(delivery.job_.number, delivery.job_.attempt, delivery.job_.name, line, now);
    errors.remove_prefix(std::min(line.size() + 1, errors.size()));
  }
}

}  // namespace sealpost
