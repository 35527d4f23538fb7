// What a client meets on its way to the gateway: a round trip, and questions that show what the web
// server lets through and what it must not show.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/check_result.h"

namespace sealpost {

struct ProbeOrder {
  std::string credential;  // a file, of a client that nobody else uses
  std::vector<std::string>
      hidden;  // paths from the server's root, where its home would be if it were served
};

// Says what it finds, one by one.  Sends a handshake and a ping, which are delivered nowhere, and
// some thirty requests that are refused; the largest is as large as the gateway takes.  Throws
// Fault for what is wrong on this side: no credential, no URL in it, nowhere to put a state.
void probe(const ProbeOrder& order, const std::function<void(const CheckResult&)>& say);

}  // namespace sealpost
