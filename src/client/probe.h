// Checks the way from a client to the gateway: sends messages, and finds out what the web server
// rejects and what it wrongly serves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/check_result.h"

namespace sealpost {

struct ProbeOptions {
  std::string credential;  // a file; nobody else may use the client
  // URL paths at which the server's home would be if a web server served it.
  std::vector<std::string> hidden;
};

// Calls `report` with each result.  Sends a handshake and a ping, which are delivered nowhere, and
// some thirty requests that the gateway rejects; the largest is as large as the gateway accepts.
// Throws Fault for local errors: no credential, no URL in it, no place for a temporary state.
void probe(const ProbeOptions& options, const std::function<void(const CheckResult&)>& report);

}  // namespace sealpost
