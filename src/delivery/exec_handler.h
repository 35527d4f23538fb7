// A handler that is a program: `exec /PATH` in the routes file.
#pragma once

#include <string>

#include "delivery/job.h"

namespace sealpost {

// Runs the program at `path`, an absolute path, and waits until it ends.
//
// The body is its standard input, its standard output the reply, and exit status 0 means success.
// It sees SEALPOST_NAME, _ROLE, _CLAIM_<KEY>, _TOPIC, _MESSAGE_ID, _NUMBER, _ATTEMPT and a PATH,
// and inherits no other file.  Its working directory is the program's own.  It leads a process
// group, which is killed when the time is up and when the program has ended.  The result is
// kNotBegun if this process cannot make a pipe or a child, or if the kernel cannot run the program.
[[nodiscard]] HandlerResult run_exec_handler(const std::string& path, const DeliveryJob& job,
                                             const Limits& limits);

}  // namespace sealpost
