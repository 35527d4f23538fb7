// Messages that reach handlers, and answers that survive, against a gateway in this process with a
// clock of the test's.
#define BOOST_TEST_MODULE gateway_delivery
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "admin/redeliver.h"
#include "support/house.h"

namespace sealpost {
namespace {

using test::Exchange;
using test::Peer;
using test::TestHouse;

// A house whose topics under run/ go to a script.
struct Started {
  TestHouse house;
  std::string script = house.folder / "handler";
  Peer peer;

  explicit Started(const std::string& text = "printf 'reply to '; cat", Claims::Map more = {})
      : peer(house.client("client1", "shop", std::move(more))) {
    write(text);
    house.routes("run/* - exec " + script + "\nbox role=shop|sensor inbox\nno - reject\n");
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  void write(const std::string& text) const {
    test::write_text(script, "#!/bin/sh\n" + text);
    chmod(script.c_str(), 0700);
  }
  // How often the script was run, where it counts.
  [[nodiscard]] std::size_t runs() const { return test::read_text(house.folder / "runs").size(); }
  // Begins a message, and leaves it where a crash behind the commit would.
  Message begin(const std::string& body, const std::string& topic = "run/x") {
    Message message = peer.message(body, topic);
    const Request request = TestHouse::request(peer.seal(message).form());
    const Handled handled = house.gateway().handle({&request, 1}, house.now).front();
    BOOST_REQUIRE(handled.delivery != nullptr);
    BOOST_TEST(!handled.response.has_value());
    return message;
  }
  [[nodiscard]] std::string state(std::size_t row = 0) const {
    const auto rows = house.inbox();
    return rows.at(row).state + " " + std::to_string(rows.at(row).attempt);
  }
  // What `sealpost inbox deliver` does.
  [[nodiscard]] std::vector<std::string> deliver() const {
    std::vector<std::string> outcomes;
    SettingTexts texts{house.home.root(), house.folder / "log"};
    redeliver(texts, [&](const LogEntry& entry) {
      outcomes.push_back(std::to_string(entry.number) + " " + std::string(text_of(entry.outcome)));
    });
    return outcomes;
  }
};

const std::string kCount = "printf x >>runs; ";

BOOST_AUTO_TEST_CASE(a_handlers_reply_is_the_answer_and_the_same_one_ever_after) {
  Started s(kCount + "printf 'reply to '; cat");
  const Message message = s.peer.message("hello", "run/x");
  const Exchange first = s.peer.send(message);
  BOOST_TEST(first.status == "accepted");
  BOOST_TEST(first.reply.status == 200);
  BOOST_TEST(first.body == "reply to hello");
  BOOST_TEST(first.receipt.next == 2U);
  BOOST_TEST(s.state() == "settled 1");
  BOOST_TEST(text_of(s.house.inbox()[0].body) == "hello", "the inbox has it as well");
  for (int i = 0; i < 3; ++i) {
    const Exchange again = s.peer.send(message);
    BOOST_TEST(again.status == "duplicate");
    BOOST_TEST(again.body == "reply to hello");
  }
  s.house.restart();
  s.peer.handshake();
  BOOST_TEST(s.peer.send(message).body == "reply to hello", "in another session, after a restart");
  BOOST_TEST(s.runs() == 1U);
}

BOOST_AUTO_TEST_CASE(an_empty_reply_is_kept_as_one) {
  Started s("true");
  const Message message = s.peer.message("x", "run/x");
  BOOST_TEST(s.peer.send(message).status == "accepted");
  BOOST_TEST(s.peer.send(message).status == "duplicate");
}

BOOST_AUTO_TEST_CASE(a_handler_that_fails_settles_its_message_as_failed) {
  Started s(kCount + "echo 'out of stock' >&2; echo more >&2; echo secret; exit 3");
  const Message message = s.peer.message("x", "run/x");
  for (int i = 0; i < 2; ++i) {
    const Exchange sent = s.peer.send(message);
    BOOST_TEST(sent.status == "failed");
    BOOST_TEST(sent.reply.status == 409);
    BOOST_TEST(sent.body.empty(), "why is nobody's business out there");
    BOOST_TEST(sent.receipt.next == 2U);
  }
  BOOST_TEST(s.runs() == 1U);
  BOOST_TEST(s.state() == "failed 1");
  const std::string log = s.house.log();
  BOOST_TEST(log.find(R"("detail":"exit status 3: out of stock")") != std::string::npos, log);
  BOOST_TEST(log.find(R"("handler":"out of stock")") != std::string::npos, log);
  BOOST_TEST(log.find(R"("handler":"more")") != std::string::npos, log);
  BOOST_TEST(log.find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_routes_decide_and_what_they_do_not_allow_uses_its_counter_up) {
  Started s;
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  BOOST_TEST(s.state() == "settled 0");
  for (const char* topic : {"no", "unknown"}) {
    const Message message = s.peer.message("x", topic);
    BOOST_TEST(s.peer.send(message).status == "forbidden", topic);
    s.house.routes("* - inbox\n");
    BOOST_TEST(s.peer.send(message).status == "forbidden", "the rules have changed: too late");
    BOOST_TEST(s.peer.send("y", topic).status == "accepted");
    s.house.routes("no - reject\n");
  }
  BOOST_TEST(s.house.inbox().size() == 3U);
  s.house.routes("* role=sensor inbox\n");
  BOOST_TEST(s.peer.send("x", "box").status == "forbidden", "a shop is no sensor");
}

BOOST_AUTO_TEST_CASE(with_routes_that_cannot_be_read_nothing_is_accepted) {
  Started s;
  s.house.routes("* - inbox\nwhat is this\n");
  const Message message = s.peer.message("x", "box");
  for (const Exchange& sent :
       {s.peer.send(message), s.peer.handshake(), s.peer.send("", "sealpost/ping")}) {
    BOOST_TEST(sent.reply.status == 503);
    BOOST_TEST(sent.reply.body == "unavailable\n");
  }
  BOOST_TEST(s.house.log().find("/routes, line 2: ") != std::string::npos, s.house.log());
  BOOST_TEST(s.house.inbox().empty());
  s.house.routes("* - inbox\n");
  BOOST_TEST(s.peer.send(message).status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_message_at_work_is_in_progress_for_whoever_asks_again) {
  Started s(kCount + "cat");
  const Message message = s.begin("x");
  for (int i = 0; i < 2; ++i) {
    const Exchange again = s.peer.send(message);
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

BOOST_AUTO_TEST_CASE(a_handler_cut_short_by_a_crash_is_run_again_for_the_client_that_asks) {
  Started s(kCount + "printf \"$SEALPOST_ATTEMPT $SEALPOST_MESSAGE_ID\"");
  const Message message = s.begin("x");
  s.house.restart();
  BOOST_TEST(s.peer.send(message).status == "in_progress", "its lease has not ended");
  s.house.now += 61 * kSecond;
  const Exchange again = s.peer.send(message);
  BOOST_TEST(again.status == "accepted");
  BOOST_TEST(again.body.starts_with("2 client1:"), again.body);
  BOOST_TEST(s.peer.send(message).body == again.body);
  BOOST_TEST(s.runs() == 1U);
  BOOST_TEST(s.state() == "settled 2");
  BOOST_TEST(s.house.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(abandoned_messages_are_taken_up_by_anybody) {
  Started s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  const Message one = s.begin("1");
  const Message two = s.begin("2");
  BOOST_TEST(s.house.gateway().claim_overdue(s.house.now).empty(), "their leases have not ended");
  s.house.now += 61 * kSecond;
  auto taken = s.house.gateway().claim_overdue(s.house.now);
  BOOST_REQUIRE(taken.size() == 2U);
  BOOST_TEST(s.house.gateway().claim_overdue(s.house.now).empty(), "they have new ones");
  BOOST_TEST(s.peer.send(one).status == "in_progress");
  for (auto& delivery : taken) delivery->run();
  for (const auto& response : s.house.gateway().finish(taken, s.house.now)) {
    BOOST_TEST(!response.has_value(), "nobody waits");
  }
  BOOST_TEST(s.peer.send(one).body == "reply 2");
  BOOST_TEST(s.peer.send(two).body == "reply 2");
  BOOST_TEST(s.runs() == 2U);
}

BOOST_AUTO_TEST_CASE(deliver_takes_up_what_waits_and_nothing_else) {
  Started s;
  s.house.now -= kHour;  // the tool goes by the true clock
  s.peer.handshake();
  const Message message = s.begin("hello");
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  const std::vector<std::string> expected = {"2 accepted"};
  BOOST_TEST(s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(s.deliver().empty());
  BOOST_TEST(s.peer.send(message).body == "reply to hello");
}

BOOST_AUTO_TEST_CASE(a_message_taken_up_goes_where_the_routes_say_now) {
  Started s;
  s.house.now -= kHour;
  s.peer.handshake();
  const Message to_inbox = s.begin("1", "run/1");
  const Message refused = s.begin("2", "run/2");
  s.house.routes("run/1 - inbox\n");
  const std::vector<std::string> expected = {"2 accepted", "3 failed"};
  BOOST_TEST(s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(s.peer.send(to_inbox).status == "duplicate");
  BOOST_TEST(s.peer.send(refused).status == "failed");
}

BOOST_AUTO_TEST_CASE(a_failed_message_can_be_tried_again_and_no_other) {
  Started s("exit 1");
  s.house.now -= kHour;
  s.peer.handshake();
  const Message message = s.peer.message("hello", "run/x");
  BOOST_TEST(s.peer.send(message).status == "failed");
  BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  s.write("printf \"reply $SEALPOST_ATTEMPT\"");
  const auto reopen = [&](std::int64_t number) {
    Database database = s.house.database();
    Inbox(database).reopen(number, s.house.now);
  };
  reopen(2);
  BOOST_CHECK_THROW(reopen(2), Fault);
  BOOST_TEST(s.state() == "pending 1");
  BOOST_TEST(s.deliver().size() == 1U);
  BOOST_TEST(s.state() == "settled 2");
  BOOST_TEST(s.peer.send(message).body == "reply 2");
  for (const std::int64_t number : {1, 2, 3, 99}) BOOST_CHECK_THROW(reopen(number), Fault);
}

BOOST_AUTO_TEST_CASE(what_comes_first_settles_a_message_that_two_were_given) {
  Started s(kCount + "printf \"reply $SEALPOST_ATTEMPT\"");
  Message message = s.peer.message("x", "run/x");
  const Request request = TestHouse::request(s.peer.seal(message).form());
  Handled slow = s.house.gateway().handle({&request, 1}, s.house.now).front();
  slow.delivery->run();
  s.house.now += 61 * kSecond;
  auto taken = s.house.gateway().claim_overdue(s.house.now);
  BOOST_REQUIRE(taken.size() == 1U);
  taken[0]->run();
  (void)s.house.gateway().finish(taken, s.house.now);
  (void)s.house.gateway().finish({&slow.delivery, 1}, s.house.now);
  BOOST_TEST(s.peer.send(message).body == "reply 2");
  BOOST_TEST(s.state() == "settled 2");
}

BOOST_AUTO_TEST_CASE(an_errand_whose_database_was_replaced_settles_nothing) {
  Started s;
  Message message = s.peer.message("x", "run/x");
  const Request request = TestHouse::request(s.peer.seal(message).form());
  Handled handled = s.house.gateway().handle({&request, 1}, s.house.now).front();
  handled.delivery->run();
  // Another message under its number, as in a copy that was put back.
  s.house.sql("UPDATE message SET digest = zeroblob(32) WHERE status = 2");
  const auto responses = s.house.gateway().finish({&handled.delivery, 1}, s.house.now);
  BOOST_TEST(responses[0]->status == 403);
  BOOST_TEST(!responses[0]->sealed);
  BOOST_TEST(s.state() == "pending 1");
}

BOOST_AUTO_TEST_CASE(a_reply_is_dropped_when_the_client_awaits_it_no_more) {
  Started s;
  const Message one = s.peer.message("one", "run/x");
  const Message two = s.peer.message("two", "run/x");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  BOOST_TEST(s.peer.send(one).body == "reply to one");
  // A peer awaits nothing below the counter it sends.
  BOOST_TEST(s.peer.send(two).body == "reply to two");
  BOOST_TEST(s.house.sql("SELECT count(*) FROM message WHERE reply IS NOT NULL") == "1");
  const Exchange late = s.peer.send(one);
  BOOST_TEST(late.status == "too_old", "its reply is gone");
  BOOST_TEST(late.receipt.next == 3U);
  BOOST_TEST(s.peer.send(two).body == "reply to two");
}

BOOST_AUTO_TEST_CASE(a_reply_is_dropped_when_the_window_has_passed_it) {
  Started s;
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
  BOOST_TEST(s.house.sql("SELECT count(*) FROM message WHERE length(reply) > 0") == "0");
  BOOST_TEST(oldest_stays(one).status == "too_old");
}

BOOST_AUTO_TEST_CASE(pruning_keeps_what_is_at_work_and_replies_inside_the_window) {
  Started s;
  const Message pending = s.begin("pending");
  const Message settled = s.peer.message("settled", "run/x");
  BOOST_TEST(s.peer.send(settled).status == "accepted");
  {
    Database database = s.house.database();
    BOOST_TEST(Inbox(database).prune(s.house.now + Milliseconds{1}).emptied == 2,
               "the ping and the settled one");
  }
  BOOST_TEST(s.house.inbox().size() == 1U);
  BOOST_TEST(s.state() == "pending 1");
  BOOST_TEST(s.peer.post(s.peer.seal(settled, 0, 0)).body == "reply to settled");
}

BOOST_AUTO_TEST_CASE(beyond_the_pool_and_its_queue_nothing_is_stored) {
  Started s;
  s.house.set(kHandlers, "1");
  std::vector<Handled> waiting;
  const auto send = [&](const std::string& topic) {
    const Request request = TestHouse::request(s.peer.seal(s.peer.message("x", topic)).form());
    Handled handled = s.house.gateway().handle({&request, 1}, s.house.now).front();
    if (handled.delivery) waiting.push_back(handled);
    return handled.response ? handled.response->status : 0;
  };
  for (int i = 0; i < 5; ++i) BOOST_TEST(send("run/x") == 0);
  const std::size_t rows = s.house.inbox().size();
  const Message refused = s.peer.message("x", "run/x");
  const Exchange busy = s.peer.send(refused);
  BOOST_TEST(busy.status == "unavailable");
  BOOST_TEST(busy.reply.status == 503);
  BOOST_TEST(busy.receipt.next == 0U, "its counter is not used");
  BOOST_TEST(s.house.inbox().size() == rows);
  BOOST_TEST(send("box") == 200, "what needs no handler is taken");
  waiting[0].delivery->run();
  (void)s.house.gateway().finish({&waiting[0].delivery, 1}, s.house.now);
  BOOST_TEST(s.peer.send(refused).status == "accepted", "and then there is room again");
}

BOOST_AUTO_TEST_CASE(a_quota_of_messages_a_day_is_kept_to) {
  Started s;
  Peer other = s.house.client("client2", "shop");
  other.handshake();
  s.house.now = Time(s.house.now.time_since_epoch() / kDay * kDay + 23 * kHour);
  s.peer.handshake();
  other.handshake();
  s.house.sql("DELETE FROM message");
  s.peer.next = 0;
  s.peer.receipt = {};
  s.house.set(kQuotaMessages, "3");
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  const Message over = s.peer.message("over", "box");
  for (int i = 0; i < 3; ++i) {
    const Exchange sent = s.peer.send(over);
    BOOST_TEST(sent.status == "unavailable");
    BOOST_TEST(sent.receipt.next == 0U);
  }
  BOOST_TEST(other.send("x", "box").status == "accepted", "another client has its own");
  const auto alarms = [&] {
    const std::string log = s.house.log();
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find("\"alarm\":\"quota\"", at)) != std::string::npos; ++at)
      ++count;
    return count;
  };
  BOOST_TEST(alarms() == 1U);
  s.house.restart();
  BOOST_TEST(s.peer.send(over).status == "unavailable");
  BOOST_TEST(alarms() == 1U, "once an hour");
  s.house.now += kHour;
  BOOST_TEST(s.peer.send(over).status == "accepted", "a new day");
  s.house.set(kQuotaMessages, "");
  for (int i = 0; i < 5; ++i) BOOST_TEST(s.peer.send("x", "box").status == "accepted");
  s.house.set(kQuotaMessages, "6");
  BOOST_TEST(s.peer.send("x", "box").status == "unavailable", "what came uncounted counts, too");
}

BOOST_AUTO_TEST_CASE(a_quota_of_bytes_kept_is_kept_to) {
  Started s;
  s.house.set(kQuotaBytes, "1000");
  BOOST_TEST(s.peer.send(std::string(600, 'x'), "box").status == "accepted");
  BOOST_TEST(s.peer.send(std::string(401, 'x'), "box").status == "unavailable");
  BOOST_TEST(s.peer.send(std::string(400, 'x'), "run/x").status == "accepted");
  const Message over = s.peer.message("y", "box");
  BOOST_TEST(s.peer.send(over).status == "unavailable");
  BOOST_TEST(s.peer.send("", "sealpost/ping").status == "accepted");
  s.house.now += kHour;
  {
    Database database = s.house.database();
    (void)Inbox(database).prune(s.house.now);
  }
  s.peer.handshake();
  BOOST_TEST(s.peer.send(over).status == "accepted", "the operator has made room");
}

}  // namespace
}  // namespace sealpost
