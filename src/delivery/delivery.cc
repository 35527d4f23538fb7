#include "delivery/delivery.h"

#include <exception>

#include "delivery/exec_handler.h"
#include "delivery/http_handler.h"

namespace sealpost {

HandlerResult deliver(const Target& target, const DeliveryJob& job, const Limits& limits) {
  if (limits.stop_starting != nullptr && *limits.stop_starting) {
    return {.kind = HandlerResult::Kind::kInterrupted, .why = "the gateway stops"};
  }
  try {
    switch (target.kind) {
      case Target::Kind::kInbox:
        return {.kind = HandlerResult::Kind::kDone};
      case Target::Kind::kReject:
        return {.why = "the routes reject it now"};
      case Target::Kind::kExec:
        return run_exec_handler(target.program, job, limits);
      case Target::Kind::kHttp:
        return run_http_handler(target.address, target.port, target.request_target, job, limits);
    }
    return {};
  } catch (const std::exception& error) {
    // This process lacks descriptors or memory: the handler did not fail.
    return {.kind = HandlerResult::Kind::kInterrupted, .why = error.what()};
  }
}

}  // namespace sealpost
