// A message that is committed and that a handler works on.
#pragma once

#include <optional>

#include "delivery/delivery.h"
#include "delivery/worker_pool.h"
#include "gateway/request.h"
#include "gateway/requester.h"

namespace sealpost {

struct PendingDelivery {
  DeliveryJob job;
  Target target;
  Limits limits;
  Requester requester;  // its entry is the log's, once finished; without a session nobody waits
  std::optional<WorkerPool::Place> place;         // until the handler has ended
  std::optional<DeliveriesAtWork::Mark> at_work;  // until its result is saved
  HandlerResult result;                           // set by run()
  std::optional<Response> response;               // set by Gateway::finish, if somebody waits

  // Runs the handler and waits for it.  Call it once, in any thread; then call Gateway::finish.
  // After a long wait for a thread the message stays open, because its lease may end before the
  // handler does.
  void run() {
    const bool too_late = place && place->age() > limits.timeout * WorkerPool::kQueue;
    result = too_late ? HandlerResult{.kind = HandlerResult::Kind::kNotBegun,
                                      .why = "it waited too long for a free handler"}
                      : deliver(target, job, limits);
    place.reset();
  }
};

}  // namespace sealpost
