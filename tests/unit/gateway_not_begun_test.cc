// Handlers that surely did not act, and rows that no handler can be given.
#define BOOST_TEST_MODULE gateway_not_begun
#include <boost/test/unit_test.hpp>

#include "support/gateway_fixture.h"
#include "support/handler_fixture.h"

namespace sealpost {
namespace {

using test::HandlerFixture;
using test::kCount;

// A gateway whose handler is not there, and a message for it.
struct MissingHandler {
  HandlerFixture s{kCount};
  Message message = s.peer.message("x", "run/x");

  MissingHandler() { remove_handler(); }
  void remove_handler() const { std::filesystem::remove(s.script); }
  [[nodiscard]] std::string send() { return s.peer.send(message).status; }
  // Milliseconds until the next try.
  [[nodiscard]] std::int64_t rest() const {
    const std::int64_t until =
        std::stoll(s.fixture.sql("SELECT leased_until FROM message WHERE status = 2"));
    return until - static_cast<std::int64_t>(to_ms(s.fixture.now));
  }
};

BOOST_AUTO_TEST_CASE(handler_that_cannot_start_is_tried_again_in_the_same_attempt) {
  MissingHandler m;
  BOOST_TEST(m.send() == "in_progress");
  BOOST_TEST(m.s.state() == "pending 0");
  m.s.write("printf \"reply $SEALPOST_ATTEMPT\"");
  m.s.fixture.now += Milliseconds{999};
  BOOST_TEST(m.send() == "in_progress", "the rest is not over");
  m.s.fixture.now += Milliseconds{1};
  BOOST_TEST(m.s.peer.send(m.message).body == "reply 1");
  BOOST_TEST(m.s.state() == "settled 1");
}

BOOST_AUTO_TEST_CASE(gateway_tries_handler_again_that_could_not_start) {
  MissingHandler m;
  BOOST_TEST(m.send() == "in_progress");
  m.s.write("true");
  m.s.fixture.now += kSecond;
  auto claimed = m.s.fixture.gateway().claim_overdue(m.s.fixture.now);
  BOOST_REQUIRE(claimed.size() == 1U);
  claimed[0].run();
  m.s.fixture.finish(claimed[0]);
  BOOST_TEST(m.s.state() == "settled 1");
}

BOOST_AUTO_TEST_CASE(rest_is_an_eighth_of_the_age_within_bounds) {
  MissingHandler m;
  BOOST_TEST(m.send() == "in_progress");
  BOOST_TEST(m.rest() == 1'000);
  m.s.fixture.now += 80 * kSecond;
  BOOST_TEST(m.send() == "in_progress");
  BOOST_TEST(m.rest() == 10'000);
  m.s.fixture.now += 30 * kMinute;
  BOOST_TEST(m.send() == "in_progress");
  BOOST_TEST(m.rest() == 60'000);
}

BOOST_AUTO_TEST_CASE(handler_that_cannot_start_fails_when_patience_ends) {
  MissingHandler m;
  m.s.fixture.set(kHandlerPatience, "10m");
  m.s.peer.handshake();
  BOOST_TEST(m.send() == "in_progress");
  m.s.fixture.now += 10 * kMinute;
  BOOST_TEST(m.send() == "in_progress");
  m.s.fixture.now += 2 * kMinute;
  BOOST_TEST(m.send() == "failed");
  m.s.fixture.now += kHour;
  BOOST_TEST(m.s.fixture.gateway().claim_overdue(m.s.fixture.now).empty());
}

BOOST_AUTO_TEST_CASE(clock_set_back_does_not_end_patience) {
  MissingHandler m;
  BOOST_TEST(m.send() == "in_progress");
  m.s.fixture.now -= kDay;
  auto claimed = m.s.fixture.gateway().claim_overdue(m.s.fixture.now + kDay + kSecond);
  BOOST_REQUIRE(claimed.size() == 1U);
  claimed[0].run();
  m.s.fixture.finish(claimed[0]);
  BOOST_TEST(m.rest() == 1'000);
}

BOOST_AUTO_TEST_CASE(unusable_row_fails_alone_with_an_alarm) {
  for (const char* damage :
       {"claims = NULL", "claims = '{'", "topic = NULL", "body = NULL", "installation = 99"}) {
    HandlerFixture s(kCount);
    (void)s.begin("bad");
    const Message good = s.begin("good");
    s.fixture.sql(std::string("UPDATE message SET ") + damage + " WHERE id = 2");
    s.fixture.now += 61 * kSecond;
    auto claimed = s.fixture.gateway().claim_overdue(s.fixture.now);
    BOOST_REQUIRE_EQUAL(claimed.size(), 1U);
    BOOST_TEST(claimed[0].job.number == 3, damage);
    BOOST_TEST(s.fixture.sql("SELECT status FROM message WHERE id = 2") == "9", damage);
    BOOST_TEST(s.fixture.log().find(R"("alarm":"unusable")") != std::string::npos, damage);
    claimed[0].run();
    s.fixture.finish(claimed[0]);
    BOOST_TEST(s.peer.send(good).status == "duplicate");
  }
}

BOOST_AUTO_TEST_CASE(pruned_message_cannot_be_retried) {
  HandlerFixture s("exit 1");
  BOOST_TEST(s.peer.send("x", "run/x").status == "failed");
  BOOST_TEST(s.peer.send("y", "box").status == "accepted");
  Database database = s.fixture.database();
  (void)Inbox(database).prune(s.fixture.now + kSecond);
  BOOST_CHECK_THROW(Inbox(database).reopen(2, s.fixture.now), Fault);
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM message WHERE status = 2") == "0");
}

}  // namespace
}  // namespace sealpost
