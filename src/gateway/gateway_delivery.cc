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
    std::span<const std::shared_ptr<Handover>> done, Time now) {
  FAULT_POINT("handled");
  looked_over_ = false;
  std::vector<Settlement> batch;
  for (const auto& one : done) {
    note_errors(*one, now);
    batch.push_back({one->errand_.number, one->errand_.digest, status_of(one->result_),
                     std::move(one->result_.reply)});
  }
  try {
    const std::vector<Settled> settled = house().store().settle(batch, now);
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
  journal_.flush();
  return responses;
}

void Gateway::conclude(Handover& handover, const Settled& settled, Time now) {
  Caller& caller = handover.caller_;
  caller.entry.detail = handover.result_.why;
  if (!settled.known) return caller.answer(refused("session"));
  const bool in_progress = settled.status == Status::kInProgress;
  const std::string_view reason = in_progress ? "cut_short" : caller.session ? "" : "taken_up";
  if (!caller.session) return caller.answer(settled.status, reason, {});
  caller.answer_sealed(settled.status, reason, now,
                       receipt_for(caller.session->session, settled.epoch, settled.next),
                       settled.reply);
}

std::vector<std::shared_ptr<Handover>> Gateway::take_up(Time now) {
  looked_at_ = now;
  looked_over_ = false;
  std::vector<Pool::Place> places;
  const Routes& routes = house().routes();
  while (auto place = pool_.reserve(settings_.handlers)) places.push_back(std::move(*place));
  std::vector<std::shared_ptr<Handover>> taken;
  for (Errand& errand : house().store().take_up(places.size(), settings_.lease(), now)) {
    const Route* route = routes.match(errand.topic, errand.claims);
    Caller nobody;
    nobody.entry.name = errand.name;
    nobody.entry.topic = errand.topic;
    nobody.entry.number = errand.number;
    taken.push_back(std::make_shared<Handover>(
        std::move(errand), route == nullptr ? Target{.kind = Target::Kind::kRefuse} : route->to,
        settings_.handler_timeout, std::move(nobody), std::move(places.back()), pool_.stopping()));
    places.pop_back();
  }
  return taken;
}

bool Gateway::should_take_up(Time now) const {
  return house_ && distance(now, looked_at_) >= kTakeUpInterval;
}

void Gateway::note_errors(const Handover& handover, Time now) {
  std::string_view errors = handover.result_.errors;
  while (!errors.empty()) {
    const std::string_view line = errors.substr(0, errors.find('\n'));
    journal_.handler(handover.errand_.number, handover.errand_.attempt, handover.errand_.name, line,
                     now);
    errors.remove_prefix(std::min(line.size() + 1, errors.size()));
  }
}

}  // namespace sealpost
