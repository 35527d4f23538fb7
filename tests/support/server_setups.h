// Every way to run the gateway that has a ready file in htaccess/ or deploy/ and needs no root,
// with that very file and the real server.
#pragma once

#include "support/site.h"

namespace sealpost::test {

struct ServerSetup {
  const char* name;
  std::function<std::unique_ptr<Site>()> make;
  // The largest body that comes through to the gateway, and what becomes of one a byte larger: an
  // HTTP status, of the gateway or of a server that does not ask it.
  std::size_t max_body = 1 << 20;
  int status_if_larger = 413;
  bool gateway_rejects_larger = true;
};
[[nodiscard]] const std::vector<ServerSetup>& server_setups();

// One table of requests, and the one answer to each that every way must give.
void expect_the_same_answers(Site& site, const ServerSetup& setup);

}  // namespace sealpost::test
