// Checks the routes file, and tells where a message would be delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "delivery/routes.h"
#include "store/database.h"
#include "store/home.h"

namespace sealpost {

struct RoutesCheck {
  std::vector<Complaint> complaints;  // lines that cannot be read, programs that cannot be run
  std::size_t usable = 0;             // the number of other routes
};

// Checks every line of the routes file.  Throws Fault if the file cannot be read.
[[nodiscard]] RoutesCheck check_routes(const Home& home);

// Where a message would be delivered, and why.
struct RouteTest {
  enum class Decision : std::uint8_t {
    kRevoked,         // the client is revoked
    kClaimsNotValid,  // the client's claims are not valid now
    kReservedTopic,
    kPing,
    kRouted,   // `line` and `target` say where
    kNoRoute,  // no line matches: the message is rejected
  };
  struct Mismatch {
    int line;
    std::string reason;
  };

  Decision decision = Decision::kNoRoute;
  std::string claims;                // the client's, as JSON
  std::vector<Mismatch> mismatches;  // the routes before the one that matches
  int line = 0;                      // of the route that matches; 0 if there is no routes file
  Target target;
};

// Decides as the gateway would for a message of the client `name` with `topic`.  Throws Fault
// if `topic` is not a topic, the client does not exist, or the routes cannot be read.
[[nodiscard]] RouteTest test_route(const Home& home, Database& database, const std::string& name,
                                   const std::string& topic, Time now);

}  // namespace sealpost
