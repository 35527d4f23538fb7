// Messages whose handler was interrupted, and messages that are tried again.
#define BOOST_TEST_MODULE gateway_redelivery
#include <boost/test/unit_test.hpp>

#include "support/gateway_fixture.h"
#include "support/handler_fixture.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::HandlerFixture;
using test::kCount;
using test::RoundTrip;

BOOST_AUTO_TEST_CASE(resent_message_runs_handler_again_after_crash) {
  HandlerFixture s(kCount + "printf \"$SEALPOST_ATTEMPT $SEALPOST_MESSAGE_ID\"");
  const Message message = s.begin("x");
  s.fixture.restart();
  BOOST_TEST(s.peer.send(message).status == "in_progress", "its lease has not ended");
  s.fixture.now += 61 * kSecond;
  const RoundTrip again = s.peer.send(message);
  BOOST_TEST(again.status == "accepted");
  BOOST_TEST(again.body == "2 " + s.key_of(message));
  BOOST_TEST(s.peer.send(message).body == again.body);
  BOOST_TEST(s.runs() == 1U);
  BOOST_TEST(s.state() == "settled 2");
  BOOST_TEST(s.fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(any_request_claims_abandoned_messages) {
  HandlerFixture s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  const Message one = s.begin("1");
  const Message two = s.begin("2");
  BOOST_TEST(s.fixture.gateway().claim_overdue(s.fixture.now).empty(),
             "their leases have not ended");
  s.fixture.now += 61 * kSecond;
  auto taken = s.fixture.gateway().claim_overdue(s.fixture.now);
  BOOST_REQUIRE(taken.size() == 2U);
  BOOST_TEST(s.fixture.gateway().claim_overdue(s.fixture.now).empty(), "they have new ones");
  BOOST_TEST(taken[0].job.idempotency_key == s.key_of(one));
  BOOST_TEST(s.peer.send(one).status == "in_progress");
  for (PendingDelivery& delivery : taken) {
    delivery.run();
    s.fixture.finish(delivery);
    BOOST_TEST(!delivery.response.has_value(), "nobody waits");
  }
  BOOST_TEST(s.peer.send(one).body == "reply 2");
  BOOST_TEST(s.peer.send(two).body == "reply 2");
  BOOST_TEST(s.runs() == 2U);
}

BOOST_AUTO_TEST_CASE(redeliver_claims_only_waiting_messages) {
  HandlerFixture s;
  s.fixture.now -= kHour;  // the tool uses the real clock
  s.peer.handshake();
  const Message message = s.begin("hello");
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  const std::vector<std::string> expected = {"2 accepted"};
  BOOST_TEST(s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(s.deliver().empty());
  BOOST_TEST(s.peer.send(message).body == "reply to hello");
}

BOOST_AUTO_TEST_CASE(claimed_message_follows_current_routes) {
  HandlerFixture s;
  s.fixture.now -= kHour;
  s.peer.handshake();
  const Message to_inbox = s.begin("1", "run/1");
  const Message rejected = s.begin("2", "run/2");
  s.fixture.routes("run/1 - inbox\n");
  const std::vector<std::string> expected = {"2 accepted", "3 failed"};
  BOOST_TEST(s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(s.peer.send(to_inbox).status == "duplicate");
  BOOST_TEST(s.peer.send(rejected).status == "failed");
}

BOOST_AUTO_TEST_CASE(retries_only_failed_messages) {
  HandlerFixture s("exit 1");
  s.fixture.now -= kHour;
  s.peer.handshake();
  const Message message = s.peer.message("hello", "run/x");
  BOOST_TEST(s.peer.send(message).status == "failed");
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  s.write("printf \"reply $SEALPOST_ATTEMPT\"");
  const auto reopen = [&](std::int64_t number) {
    Database database = s.fixture.database();
    Inbox(database).reopen(number, s.fixture.now);
  };
  reopen(2);
  BOOST_CHECK_THROW(reopen(2), Fault);
  BOOST_TEST(s.state() == "pending 1");
  BOOST_TEST(s.deliver().size() == 1U);
  BOOST_TEST(s.state() == "settled 2");
  BOOST_TEST(s.peer.send(message).body == "reply 2");
  for (const std::int64_t number : {1, 2, 3, 99}) BOOST_CHECK_THROW(reopen(number), Fault);
}

BOOST_AUTO_TEST_CASE(clock_step_does_not_run_live_handler_twice) {
  HandlerFixture s(kCount);
  const Message message = s.peer.message("x", "run/x");
  PendingDelivery live = s.fixture.begin(GatewayFixture::request(s.peer.seal(message).form()));
  s.fixture.now += kHour;
  BOOST_TEST(s.fixture.gateway().claim_overdue(s.fixture.now).empty());
  BOOST_TEST(s.peer.send(message).status == "in_progress");
  live.run();
  s.fixture.finish(live);
  BOOST_TEST(s.peer.send(message).status == "duplicate");
  BOOST_TEST(s.runs() == 1U);
}

BOOST_AUTO_TEST_CASE(result_is_kept_until_database_takes_it) {
  HandlerFixture s(kCount + "printf reply");
  const Message message = s.peer.message("x", "run/x");
  PendingDelivery done = s.fixture.begin(GatewayFixture::request(s.peer.seal(message).form()));
  done.run();
  s.fixture.sql("ALTER TABLE message RENAME TO away");
  s.fixture.finish(done);
  BOOST_TEST(done.response->status == 503);
  BOOST_TEST(!s.fixture.gateway().is_housekeeping_done());
  s.fixture.sql("ALTER TABLE away RENAME TO message");
  s.fixture.now += kHour;
  BOOST_TEST(s.fixture.gateway().claim_overdue(s.fixture.now).empty(), "no handler gets it");
  s.fixture.gateway().do_housekeeping(s.fixture.now, true);
  BOOST_TEST(s.state() == "settled 1");
  BOOST_TEST(s.peer.send(message).body == "reply");
  BOOST_TEST(s.runs() == 1U);
}

BOOST_AUTO_TEST_CASE(redeliver_leases_one_message_when_its_work_begins) {
  HandlerFixture s;
  s.fixture.now -= kHour;
  s.peer.handshake();
  (void)s.begin("1");
  (void)s.begin("2");
  const std::string now = std::to_string(to_ms(system_now()));
  SettingTexts texts{s.fixture.home.root(), s.fixture.folder / "log"};
  std::vector<std::string> leased;
  redeliver(texts, [&](const Redelivery&) {
    leased.push_back(
        s.fixture.sql("SELECT count(*) FROM message WHERE status = 2 AND leased_until > " + now));
  });
  const std::vector<std::string> expected = {"0", "0"};
  BOOST_TEST(leased == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(resent_message_goes_to_inbox_if_its_route_does_now) {
  HandlerFixture s(kCount);
  const Message message = s.begin("x");
  s.fixture.routes("* - inbox\n");
  BOOST_TEST(s.peer.send(message).status == "in_progress", "its lease has not ended");
  s.fixture.now += 61 * kSecond;
  BOOST_TEST(s.peer.send(message).status == "duplicate");
  BOOST_TEST(s.state() == "settled 1");
  BOOST_TEST(s.peer.send(message).status == "duplicate");
  BOOST_TEST(s.runs() == 0U);
}

BOOST_AUTO_TEST_CASE(saves_first_result_of_two_handlers) {
  HandlerFixture s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  Message message = s.peer.message("x", "run/x");
  const Request request = GatewayFixture::request(s.peer.seal(message).form());
  PendingDelivery slow = s.fixture.begin(request);
  slow.run();
  s.fixture.now += 61 * kSecond;
  WorkerPool pool;  // of another process
  Gateway other({s.fixture.home.root(), s.fixture.folder / "log"}, pool);
  auto taken = other.claim_overdue(s.fixture.now);
  BOOST_REQUIRE(taken.size() == 1U);
  taken[0].run();
  PendingDelivery* const first = &taken[0];
  other.finish({&first, 1}, s.fixture.now);
  s.fixture.finish(slow);
  BOOST_TEST(s.peer.send(message).body == "reply 2");
  BOOST_TEST(s.state() == "settled 2");
}

BOOST_AUTO_TEST_CASE(message_that_waited_too_long_for_a_thread_stays_open) {
  HandlerFixture s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  Message message = s.peer.message("x", "run/x");
  PendingDelivery delivery = s.fixture.begin(GatewayFixture::request(s.peer.seal(message).form()));
  delivery.limits.timeout = {};  // it has waited longer than any multiple of this
  delivery.run();
  s.fixture.finish(delivery);
  BOOST_TEST(s.runs() == 0U, "its lease could end while its handler runs");
  s.fixture.now += 2 * kSecond;
  BOOST_TEST(s.peer.send(message).body == "reply 1", "the handler did not begin before");
  BOOST_TEST(s.runs() == 1U);
}

BOOST_AUTO_TEST_CASE(saves_no_result_in_replaced_database) {
  HandlerFixture s;
  Message message = s.peer.message("x", "run/x");
  const Request request = GatewayFixture::request(s.peer.seal(message).form());
  PendingDelivery delivery = s.fixture.begin(request);
  delivery.run();
  // Another message with its number, as in a restored copy.
  s.fixture.sql("UPDATE message SET digest = zeroblob(32) WHERE status = 2");
  s.fixture.finish(delivery);
  BOOST_TEST(delivery.response->status == 403);
  BOOST_TEST(!delivery.response->sealed);
  BOOST_TEST(s.state() == "pending 1");
}

}  // namespace
}  // namespace sealpost
