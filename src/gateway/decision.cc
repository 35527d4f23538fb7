#include "gateway/decision.h"

namespace sealpost {

Routing decide(const OpenedRecord& record, const Routes& routes, Milliseconds tolerance, Time now) {
  if (tolerance != Milliseconds::zero() && distance(record.sent_at(), now) > tolerance) {
    return {Decision::kLate};
  }
  if (record.withdraws()) return {Decision::kWithdraw};
  const Claims& claims = record.proof().claims;
  if (!claims.valid_at(now)) return {Decision::kForbidden};
  const std::string& topic = record.message().topic;
  if (topic == kPingTopic) return {Decision::kNowhere};
  if (is_reserved_topic(topic)) return {Decision::kNoRoute};
  const Route* route = routes.match(topic, claims);
  if (route == nullptr) return {Decision::kNoRoute};
  if (route->to.kind == Target::Kind::kReject) {
    return {.decision = Decision::kNoRoute, .line = route->line};
  }
  if (!route->to.has_handler()) return {Decision::kInbox};
  return {Decision::kHandler, &route->to, routes.has_several_handlers() ? route->to.text : ""};
}

}  // namespace sealpost
