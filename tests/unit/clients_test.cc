// The clients and sessions of a database, as the operator changes them.
#define BOOST_TEST_MODULE clients
#include <boost/test/unit_test.hpp>

#include "store/health.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::says;

BOOST_AUTO_TEST_CASE(clients_reject_impossible_changes_and_name_the_remedy) {
  GatewayFixture fixture;
  Database database = fixture.database();
  Clients clients(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  BOOST_TEST(clients.add("a", 1, claims, fixture.now) == 1U);
  BOOST_CHECK_EXCEPTION(clients.add("a", 1, claims, fixture.now), Fault,
                        [](auto& f) { return says(f, "renew"); });
  BOOST_CHECK_EXCEPTION(clients.renew("b", 1, claims, fixture.now), Fault,
                        [](auto& f) { return says(f, "no client b"); });
  BOOST_CHECK_THROW(clients.revoke("b", fixture.now), Fault);
  BOOST_CHECK_THROW(clients.remove("b", fixture.now), Fault);
  BOOST_CHECK_THROW((void)clients.find("b"), Fault);
  BOOST_TEST(clients.renew("a", 1, claims, fixture.now) == 2U);
  clients.revoke("a", fixture.now);
  BOOST_TEST(clients.find("a").revoked_at.value() == fixture.now);
  BOOST_TEST(clients.renew("a", 1, claims, fixture.now) == 4U);
  BOOST_TEST(!clients.find("a").revoked_at.has_value());
  clients.remove("a", fixture.now);
  BOOST_TEST(clients.list().empty());
  BOOST_TEST(clients.add("a", 1, claims, fixture.now) == 6U, "generations never go back");
}

BOOST_AUTO_TEST_CASE(lists_and_ends_sessions) {
  GatewayFixture fixture;
  Peer one = fixture.client("one");
  Peer two = fixture.client("two");
  one.handshake();
  one.send();
  two.handshake();
  Database database = fixture.database();
  Clients clients(database);
  const auto rows = clients.sessions(fixture.now);
  BOOST_REQUIRE(rows.size() == 2U);
  BOOST_TEST(rows[0].name == "one");
  BOOST_TEST(rows[0].active);
  BOOST_TEST(!rows[1].active);
  BOOST_TEST(clients.end_sessions("one") == 1);
  BOOST_TEST(one.send().reply.status == 403);
  BOOST_TEST(clients.end_sessions(std::nullopt) == 1);
  BOOST_TEST(clients.sessions(fixture.now).empty());
}

}  // namespace
}  // namespace sealpost
