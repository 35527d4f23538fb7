// Hands a message to the handler that its route names.
#pragma once

#include "delivery/job.h"
#include "delivery/routes.h"

namespace sealpost {

// Runs the handler of `target` and waits for its result.  Never throws.
//
// If the handler could not be started, the result is kNotBegun, and the message stays open.  A
// target without a handler is done at once.
[[nodiscard]] HandlerResult deliver(const Target& target, const DeliveryJob& job,
                                    const Limits& limits);

}  // namespace sealpost
