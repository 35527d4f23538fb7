#include "admin/test_routes.h"

#include <unistd.h>

#include "admin/claims.h"
#include "protocol/ids.h"

namespace sealpost {
namespace {

using Decision = RouteTest::Decision;

void find_route(const Routes& routes, const std::string& topic, const Claims& claims,
                RouteTest& test) {
  for (const Route& route : routes.routes) {
    std::string mismatch = route.mismatch(topic, claims);
    if (mismatch.empty()) {
      test.decision = Decision::kRouted;
      test.line = route.line;
      test.target = route.to;
      return;
    }
    test.mismatches.push_back({route.line, std::move(mismatch)});
  }
  test.decision = Decision::kNoRoute;
}

}  // namespace

RoutesCheck check_routes(const Home& home) {
  RoutesFile file(home.routes_file());
  const Routes& routes = file.read();
  RoutesCheck checked{routes.complaints, 0};
  for (const Route& route : routes.routes) {
    if (route.to.kind == Target::Kind::kExec && access(route.to.program.c_str(), X_OK) != 0) {
      checked.complaints.push_back(
          {route.line,
           "Cannot run " + route.to.program + ". Check that the file exists and `chmod 700` it."});
    } else {
      ++checked.usable;
    }
  }
  return checked;
}

// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of the command line.
RouteTest test_route(const Home& home, Database& database, const std::string& name,
                     const std::string& topic, Time now) {
  if (!is_topic(topic)) throw Fault("A topic is 1-128 characters of A-Z a-z 0-9 . _ - /.");
  const ClientRow client = Clients(database).find(name);
  const Result<Claims, ClaimsError> claims = Claims::of(claims_of(client));
  RouteTest test;
  test.claims = client.claims;
  if (client.revoked_at) {
    test.decision = Decision::kRevoked;
  } else if (!claims->valid_at(now)) {
    test.decision = Decision::kClaimsNotValid;
  } else if (is_reserved_topic(topic)) {
    test.decision = topic == kPingTopic ? Decision::kPing : Decision::kReservedTopic;
  } else {
    RoutesFile file(home.routes_file());
    find_route(file.current(), topic, *claims, test);
  }
  return test;
}

}  // namespace sealpost
