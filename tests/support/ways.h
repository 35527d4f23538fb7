// Every way to run the gateway that has a ready file in htaccess/ or deploy/ and needs no root,
// with that very file and the real server.
#pragma once

#include "support/site.h"

namespace sealpost::test {

struct Way {
  const char* name;
  std::function<std::unique_ptr<Site>()> make;
  // The largest body that comes through to the gateway, and what becomes of one a byte larger: an
  // HTTP status, of the gateway or of a server that does not ask it.
  std::size_t most = 1 << 20;
  int beyond = 413;
  bool beyond_by_gateway = true;
};
[[nodiscard]] const std::vector<Way>& ways();

// One table of requests, and the one answer to each that every way must give.
void expect_the_same_answers(Site& site, const Way& way);

}  // namespace sealpost::test
