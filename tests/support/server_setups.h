// Every setup that has a ready file in htaccess/ or deploy/ and needs no root, with that file and
// the real web server.
#pragma once

#include "support/site.h"

namespace sealpost::test {

struct ServerSetup {
  const char* name;
  std::function<std::unique_ptr<Site>()> make;
  // The largest body that reaches the gateway.  One byte more gets this HTTP status, from the
  // gateway or from a server that does not ask it.
  std::size_t max_body = 1 << 20;
  int status_if_larger = 413;
  bool gateway_rejects_larger = true;
};
[[nodiscard]] const std::vector<ServerSetup>& server_setups();

// Sends a table of requests, and expects the same answers from every setup.
void expect_the_same_answers(Site& site, const ServerSetup& setup);

}  // namespace sealpost::test
