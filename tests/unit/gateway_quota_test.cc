// Limits of the gateway: the worker pool and the clients' quotas.
#define BOOST_TEST_MODULE gateway_quota
#include <boost/test/unit_test.hpp>

#include "support/gateway_fixture.h"
#include "support/handler_fixture.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::HandlerFixture;
using test::Peer;
using test::RoundTrip;

BOOST_AUTO_TEST_CASE(stores_nothing_when_worker_pool_is_full) {
  HandlerFixture s;
  s.fixture.set(kHandlers, "1");
  std::vector<PendingDelivery> waiting;
  const auto send = [&](const std::string& topic) {
    const Request request = GatewayFixture::request(s.peer.seal(s.peer.message("x", topic)).form());
    Handled handled = s.fixture.handle(request);
    auto* delivery = std::get_if<PendingDelivery>(&handled);
    if (delivery == nullptr) return std::get<Response>(handled).status;
    waiting.push_back(std::move(*delivery));
    return 0;
  };
  for (int i = 0; i < 5; ++i) BOOST_TEST(send("run/x") == 0);
  const std::size_t rows = s.fixture.inbox().size();
  const Message rejected = s.peer.message("x", "run/x");
  const RoundTrip busy = s.peer.send(rejected);
  BOOST_TEST(busy.status == "unavailable");
  BOOST_TEST(busy.reply.status == 503);
  BOOST_TEST(busy.receipt.next == 0U, "its counter is not used");
  BOOST_TEST(s.fixture.inbox().size() == rows);
  BOOST_TEST(send("box") == 200, "what needs no handler is taken");
  waiting[0].run();
  s.fixture.finish(waiting[0]);
  BOOST_TEST(s.peer.send(rejected).status == "accepted", "and then there is room again");
}

BOOST_AUTO_TEST_CASE(replays_use_no_place_in_worker_pool) {
  HandlerFixture s;
  s.fixture.set(kHandlers, "1");
  const Message running = s.begin("running");
  const Message settled = s.peer.message("settled", "run/x");
  BOOST_TEST(s.peer.send(settled).status == "accepted");
  // More replays than the pool has places, and one new message, in one batch.
  std::vector<Request> batch;
  for (int i = 0; i < 6; ++i) {
    batch.push_back(GatewayFixture::request(s.peer.seal(running, 0, 0).form()));
    batch.push_back(GatewayFixture::request(s.peer.seal(settled, 0, 0).form()));
  }
  batch.push_back(GatewayFixture::request(s.peer.seal(s.peer.message("new", "run/x")).form()));
  const std::vector<Handled> handled = s.fixture.handle(batch);
  for (std::size_t i = 0; i + 1 < handled.size(); ++i) {
    BOOST_TEST(std::get<Response>(handled[i]).status == 409);
  }
  BOOST_TEST(std::holds_alternative<PendingDelivery>(handled.back()), "a place was free");
}

BOOST_AUTO_TEST_CASE(one_client_takes_no_place_of_another_on_any_route) {
  for (const bool same_route : {true, false}) {
    HandlerFixture s;
    s.fixture.set(kHandlers, "1");
    s.fixture.routes("run/* - exec " + s.script + "\nother/* - exec /bin/true\n");
    Peer other = s.fixture.client("client2", "shop");
    other.handshake();
    BOOST_REQUIRE(other.send("", "sealpost/ping").status == "accepted");
    std::vector<PendingDelivery> taken;
    for (;;) {
      const Message message = s.peer.message("x", "run/x");
      Handled handled = s.fixture.handle(GatewayFixture::request(s.peer.seal(message).form()));
      if (std::holds_alternative<Response>(handled)) break;
      taken.push_back(std::move(std::get<PendingDelivery>(handled)));
    }
    BOOST_TEST(taken.size() == 5U);
    BOOST_TEST(other.send("x", same_route ? "run/x" : "other/x").status == "accepted", same_route);
  }
}

BOOST_AUTO_TEST_CASE(enforces_quota_of_messages_per_day) {
  HandlerFixture s;
  Peer other = s.fixture.client("client2", "shop");
  other.handshake();
  s.fixture.now = Time(s.fixture.now.time_since_epoch() / kDay * kDay + 23 * kHour);
  s.peer.handshake();
  other.handshake();
  s.fixture.sql("DELETE FROM message");
  s.peer.next = 0;
  s.peer.receipt = {};
  s.fixture.set(kQuotaMessages, "3");
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  const Message over = s.peer.message("over", "box");
  for (int i = 0; i < 3; ++i) {
    const RoundTrip sent = s.peer.send(over);
    BOOST_TEST(sent.status == "unavailable");
    BOOST_TEST(sent.receipt.next == 0U);
  }
  BOOST_TEST(other.send("x", "box").status == "accepted", "another client has its own");
  const auto alarms = [&] {
    const std::string log = s.fixture.log();
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find("\"alarm\":\"quota\"", at)) != std::string::npos; ++at)
      ++count;
    return count;
  };
  BOOST_TEST(alarms() == 1U);
  s.fixture.restart();
  BOOST_TEST(s.peer.send(over).status == "unavailable");
  BOOST_TEST(alarms() == 1U, "once an hour");
  s.fixture.now += kHour;
  BOOST_TEST(s.peer.send(over).status == "accepted", "a new day");
  s.fixture.set(kQuotaMessages, "");
  for (int i = 0; i < 5; ++i) BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  s.fixture.set(kQuotaMessages, "6");
  BOOST_TEST(s.peer.send("x", "box").status == "unavailable", "what came uncounted counts, too");
}

BOOST_AUTO_TEST_CASE(enforces_quota_of_stored_bytes) {
  HandlerFixture s;
  s.fixture.set(kQuotaBytes, "1000");
  BOOST_TEST(s.peer.send(std::string(600, 'x'), "box").status == "accepted");
  BOOST_TEST(s.peer.send(std::string(401, 'x'), "box").status == "unavailable");
  BOOST_TEST(s.peer.send(std::string(400, 'x'), "run/x").status == "accepted");
  const Message over = s.peer.message("y", "box");
  BOOST_TEST(s.peer.send(over).status == "unavailable");
  BOOST_TEST(s.peer.send("", "sealpost/ping").status == "accepted");
  s.fixture.now += kHour;
  {
    Database database = s.fixture.database();
    (void)Inbox(database).prune(s.fixture.now);
  }
  s.peer.handshake();
  BOOST_TEST(s.peer.send(over).status == "accepted", "the operator has made room");
}

}  // namespace
}  // namespace sealpost
