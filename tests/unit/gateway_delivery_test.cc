// Messages that reach handlers, and answers that survive, against a gateway in this process with a
// clock of the test's.
#define BOOST_TEST_MODULE gateway_delivery
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "admin/redeliver.h"
#include "support/gateway_fixture.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::RoundTrip;

// A gateway that delivers topics below run/ to a script.
struct HandlerFixture {
  GatewayFixture fixture;
  std::string script = fixture.folder / "handler";
  Peer peer;

  explicit HandlerFixture(const std::string& text = "printf 'reply to '; cat",
                          Claims::Map more = {})
      : peer(fixture.client("client1", "shop", std::move(more))) {
    write(text);
    fixture.routes("run/* - exec " + script + "\nbox role=shop|sensor inbox\nno - reject\n");
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  void write(const std::string& text) const {
    test::write_text(script, "#!/bin/sh\n" + text);
    chmod(script.c_str(), 0700);
  }
  // How often the script was run, where it counts.
  [[nodiscard]] std::size_t runs() const { return test::read_text(fixture.folder / "runs").size(); }
  // Begins a message, and leaves it where a crash behind the commit would.
  Message begin(const std::string& body, const std::string& topic = "run/x") {
    Message message = peer.message(body, topic);
    const Request request = GatewayFixture::request(peer.seal(message).form());
    (void)fixture.begin(request);
    return message;
  }
  [[nodiscard]] std::string state(std::size_t row = 0) const {
    const auto rows = fixture.inbox();
    return rows.at(row).state + " " + std::to_string(rows.at(row).attempt);
  }
  // What `sealpost inbox deliver` does.
  [[nodiscard]] std::vector<std::string> deliver() const {
    std::vector<std::string> outcomes;
    SettingTexts texts{fixture.home.root(), fixture.folder / "log"};
    redeliver(texts, [&](const Redelivery& one) {
      BOOST_TEST(one.delivered == (one.outcome == "accepted"));
      outcomes.push_back(std::to_string(one.number) + " " + one.outcome);
    });
    return outcomes;
  }
};

const std::string kCount = "printf x >>runs; ";

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
  BOOST_TEST(log.find(R"("handler":"out of stock")") != std::string::npos, log);
  BOOST_TEST(log.find(R"("handler":"more")") != std::string::npos, log);
  BOOST_TEST(log.find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(message_without_allowed_route_uses_its_counter) {
  HandlerFixture s;
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  BOOST_TEST(s.state() == "settled 0");
  for (const char* topic : {"no", "unknown"}) {
    const Message message = s.peer.message("x", topic);
    BOOST_TEST(s.peer.send(message).status == "forbidden", topic);
    s.fixture.routes("* - inbox\n");
    BOOST_TEST(s.peer.send(message).status == "forbidden", "the rules have changed: too late");
    BOOST_TEST(s.peer.send("y", topic).status == "accepted");
    s.fixture.routes("no - reject\n");
  }
  BOOST_TEST(s.fixture.inbox().size() == 3U);
  s.fixture.routes("* role=sensor inbox\n");
  BOOST_TEST(s.peer.send("x", "box").status == "forbidden", "a shop is no sensor");
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

BOOST_AUTO_TEST_CASE(resent_message_runs_handler_again_after_crash) {
  HandlerFixture s(kCount + "printf \"$SEALPOST_ATTEMPT $SEALPOST_MESSAGE_ID\"");
  const Message message = s.begin("x");
  s.fixture.restart();
  BOOST_TEST(s.peer.send(message).status == "in_progress", "its lease has not ended");
  s.fixture.now += 61 * kSecond;
  const RoundTrip again = s.peer.send(message);
  BOOST_TEST(again.status == "accepted");
  BOOST_TEST(again.body.starts_with("2 client1:"), again.body);
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
  s.fixture.now -= kHour;  // the tool goes by the true clock
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
  const Message refused = s.begin("2", "run/2");
  s.fixture.routes("run/1 - inbox\n");
  const std::vector<std::string> expected = {"2 accepted", "3 failed"};
  BOOST_TEST(s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(s.peer.send(to_inbox).status == "duplicate");
  BOOST_TEST(s.peer.send(refused).status == "failed");
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

BOOST_AUTO_TEST_CASE(saves_first_result_of_two_handlers) {
  HandlerFixture s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  Message message = s.peer.message("x", "run/x");
  const Request request = GatewayFixture::request(s.peer.seal(message).form());
  PendingDelivery slow = s.fixture.begin(request);
  slow.run();
  s.fixture.now += 61 * kSecond;
  auto taken = s.fixture.gateway().claim_overdue(s.fixture.now);
  BOOST_REQUIRE(taken.size() == 1U);
  taken[0].run();
  s.fixture.finish(taken[0]);
  s.fixture.finish(slow);
  BOOST_TEST(s.peer.send(message).body == "reply 2");
  BOOST_TEST(s.state() == "settled 2");
}

BOOST_AUTO_TEST_CASE(saves_no_result_in_replaced_database) {
  HandlerFixture s;
  Message message = s.peer.message("x", "run/x");
  const Request request = GatewayFixture::request(s.peer.seal(message).form());
  PendingDelivery delivery = s.fixture.begin(request);
  delivery.run();
  // Another message under its number, as in a copy that was put back.
  s.fixture.sql("UPDATE message SET digest = zeroblob(32) WHERE status = 2");
  s.fixture.finish(delivery);
  BOOST_TEST(delivery.response->status == 403);
  BOOST_TEST(!delivery.response->sealed);
  BOOST_TEST(s.state() == "pending 1");
}

BOOST_AUTO_TEST_CASE(drops_reply_that_client_no_longer_awaits) {
  HandlerFixture s;
  const Message one = s.peer.message("one", "run/x");
  const Message two = s.peer.message("two", "run/x");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  // A peer awaits nothing below the counter it sends.
  BOOST_TEST(s.peer.send(two).body == "reply to two");
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM message WHERE reply IS NOT NULL") == "1");
  const RoundTrip late = s.peer.send(one);
  BOOST_TEST(late.status == "too_old", "its reply is gone");
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
  const Message refused = s.peer.message("x", "run/x");
  const RoundTrip busy = s.peer.send(refused);
  BOOST_TEST(busy.status == "unavailable");
  BOOST_TEST(busy.reply.status == 503);
  BOOST_TEST(busy.receipt.next == 0U, "its counter is not used");
  BOOST_TEST(s.fixture.inbox().size() == rows);
  BOOST_TEST(send("box") == 200, "what needs no handler is taken");
  waiting[0].run();
  s.fixture.finish(waiting[0]);
  BOOST_TEST(s.peer.send(refused).status == "accepted", "and then there is room again");
}

BOOST_AUTO_TEST_CASE(replays_take_no_place_of_a_handler) {
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
