// A handler that is a web application on this host: `http ...` in the routes file.
#pragma once

#include <cstdint>
#include <string>

#include "delivery/job.h"

namespace sealpost {

// Posts the body to an application and waits for its answer.
//
// `address` is an IP address, or the path of a unix socket if `port` is 0.  A 2xx answer means
// success, and its body is the reply.  Interim answers (1xx) are skipped.
//
// Each thread keeps one connection to each address, after one complete answer with nothing behind
// it.  If a kept connection ends without an answer, the result is kInterrupted: the application may
// have acted, so the message is sent again only as another attempt.
// If no byte of the request was written, the result is kNotBegun.
// Throws boost::system::system_error if this process lacks descriptors or memory after that.
[[nodiscard]] HandlerResult run_http_handler(const std::string& address, std::uint16_t port,
                                             const std::string& request_target,
                                             const DeliveryJob& job, const Limits& limits);

}  // namespace sealpost
