// Delivery to handlers at the gateway: replies, failures and routes.
#define BOOST_TEST_MODULE gateway_delivery
#include <boost/test/unit_test.hpp>

#include "support/handler_fixture.h"

namespace sealpost {
namespace {

using test::HandlerFixture;
using test::kCount;
using test::RoundTrip;

BOOST_AUTO_TEST_CASE(keeps_first_reply_of_handler) {
  HandlerFixture s(kCount + "printf 'reply to '; cat");
  const Message message = s.peer.message("hello", "run/x");
  const RoundTrip first = s.peer.send(message);
  BOOST_TEST(first.status == "accepted");
  BOOST_TEST(first.reply.status == 200);
  BOOST_TEST(first.body == "reply to hello");
  BOOST_TEST(first.receipt.next == 2U);
  BOOST_TEST(s.state() == "settled 1");
  BOOST_TEST(text_of(s.fixture.inbox()[0].body) == "hello", "the inbox has it as well");
  for (int i = 0; i < 3; ++i) {
    const RoundTrip again = s.peer.send(message);
    BOOST_TEST(again.status == "duplicate");
    BOOST_TEST(again.body == "reply to hello");
  }
  s.fixture.restart();
  s.peer.handshake();
  BOOST_TEST(s.peer.send(message).body == "reply to hello", "in another session, after a restart");
  BOOST_TEST(s.runs() == 1U);
}

BOOST_AUTO_TEST_CASE(keeps_empty_reply) {
  HandlerFixture s("true");
  const Message message = s.peer.message("x", "run/x");
  BOOST_TEST(s.peer.send(message).status == "accepted");
  BOOST_TEST(s.peer.send(message).status == "duplicate");
}

BOOST_AUTO_TEST_CASE(failing_handler_marks_message_failed) {
  HandlerFixture s(kCount + "echo 'out of stock' >&2; echo more >&2; echo secret; exit 3");
  const Message message = s.peer.message("x", "run/x");
  for (int i = 0; i < 2; ++i) {
    const RoundTrip sent = s.peer.send(message);
    BOOST_TEST(sent.status == "failed");
    BOOST_TEST(sent.reply.status == 409);
    BOOST_TEST(sent.body.empty(), "why is nobody's business out there");
    BOOST_TEST(sent.receipt.next == 2U);
  }
  BOOST_TEST(s.runs() == 1U);
  BOOST_TEST(s.state() == "failed 1");
  const std::string log = s.fixture.log();
  BOOST_TEST(log.find(R"("detail":"exit status 3: out of stock")") != std::string::npos, log);
  BOOST_TEST(log.find(R"("handler":"out of stock\nmore")") != std::string::npos, log);
  BOOST_TEST(log.find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(message_without_allowed_route_uses_its_counter) {
  HandlerFixture s;
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  BOOST_TEST(s.state() == "settled 0");
  for (const char* topic : {"no", "unknown"}) {
    const Message message = s.peer.message("x", topic);
    BOOST_TEST(s.peer.send(message).status == "no_route", topic);
    s.fixture.routes("* - inbox\n");
    BOOST_TEST(s.peer.send(message).status == "no_route", "the rules have changed: too late");
    BOOST_TEST(s.peer.send("y", topic).status == "accepted");
    s.fixture.routes("no - reject\n");
  }
  BOOST_TEST(s.fixture.inbox().size() == 3U);
  s.fixture.routes("* role=sensor inbox\n");
  BOOST_TEST(s.peer.send("x", "box").status == "no_route", "a shop is no sensor");
}

BOOST_AUTO_TEST_CASE(accepts_nothing_with_unreadable_routes) {
  HandlerFixture s;
  s.fixture.routes("* - inbox\nwhat is this\n");
  const Message message = s.peer.message("x", "box");
  for (const RoundTrip& sent :
       {s.peer.send(message), s.peer.handshake(), s.peer.send("", "sealpost/ping")}) {
    BOOST_TEST(sent.reply.status == 503);
    BOOST_TEST(sent.reply.body == "unavailable\n");
  }
  BOOST_TEST(s.fixture.log().find("/routes, line 2: ") != std::string::npos, s.fixture.log());
  BOOST_TEST(s.fixture.inbox().empty());
  s.fixture.routes("* - inbox\n");
  BOOST_TEST(s.peer.send(message).status == "accepted");
}

BOOST_AUTO_TEST_CASE(answers_in_progress_while_handler_runs) {
  HandlerFixture s(kCount + "cat");
  const Message message = s.begin("x");
  for (int i = 0; i < 2; ++i) {
    const RoundTrip again = s.peer.send(message);
    BOOST_TEST(again.status == "in_progress");
    BOOST_TEST(again.reply.status == 409);
    BOOST_TEST(again.receipt.next == 2U, "its counter is used");
  }
  BOOST_TEST(s.runs() == 0U);
  BOOST_TEST(s.state() == "pending 1");
  Message other = message;
  other.id.bytes[0] ^= 1;
  BOOST_TEST(s.peer.send(other).status == "conflict");
}

BOOST_AUTO_TEST_CASE(drops_reply_that_client_no_longer_awaits) {
  HandlerFixture s;
  const Message one = s.peer.message("one", "run/x");
  const Message two = s.peer.message("two", "run/x");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  // A peer's `oldest` is its own counter.
  BOOST_TEST(s.peer.send(two).body == "reply to two");
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM message WHERE reply IS NOT NULL") == "1");
  const RoundTrip late = s.peer.send(one);
  BOOST_TEST(late.status == "too_old", "its reply was deleted");
  BOOST_TEST(late.receipt.next == 3U);
  BOOST_TEST(s.peer.send(two).body == "reply to two");
}

BOOST_AUTO_TEST_CASE(drops_reply_below_window) {
  HandlerFixture s;
  const Message one = s.peer.message("one", "run/x");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  Message far = s.peer.message("far", "box");
  far.counter = one.counter + kWindow - 1;
  const auto oldest_stays = [&](const Message& message) {
    return s.peer.post(s.peer.seal(message, 0, one.counter));
  };
  BOOST_TEST(oldest_stays(far).status == "accepted");
  BOOST_TEST(oldest_stays(one).body == "reply to one", "the oldest counter inside");
  far = s.peer.message("further", "box");
  far.counter = one.counter + kWindow;
  BOOST_TEST(oldest_stays(far).status == "accepted");
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM message WHERE length(reply) > 0") == "0");
  BOOST_TEST(oldest_stays(one).status == "too_old");
}

BOOST_AUTO_TEST_CASE(pruning_keeps_running_messages_and_replies_inside_window) {
  HandlerFixture s;
  const Message pending = s.begin("pending");
  const Message settled = s.peer.message("settled", "run/x");
  BOOST_TEST(s.peer.send(settled).status == "accepted");
  {
    Database database = s.fixture.database();
    BOOST_TEST(Inbox(database).prune(s.fixture.now + Milliseconds{1}).emptied == 2,
               "the ping and the settled one");
  }
  BOOST_TEST(s.fixture.inbox().size() == 1U);
  BOOST_TEST(s.state() == "pending 1");
  BOOST_TEST(s.peer.post(s.peer.seal(settled, 0, 0)).body == "reply to settled");
}

}  // namespace
}  // namespace sealpost
