// The server's clock jumps an hour, either way, in the middle of everything.  Nothing is lost,
// nothing is taken twice, and the clients go on by themselves.
#define BOOST_TEST_MODULE clock
#include <boost/test/unit_test.hpp>

#include "client/sender.h"
#include "support/house.h"
#include "support/upstream.h"

namespace sealpost::test {
namespace {

using Kind = Outcome::Kind;

constexpr auto kJump = static_cast<std::int64_t>(kHour.count());

// A house, and the real client with a clock of its own, which does not jump.
struct Jumpy {
  TestHouse house;
  Time clients = house.now;
  Credential credential = std::move(house.client("real").credential);
  std::string folder = house.folder / "state";
  std::vector<std::string> reports;
  Peer peer = house.client("peer");

  Jumpy() {
    const Outbox outbox(folder);
    const crypto::SecretText text = credential.json();
    outbox.install(bytes_of(text), ClientState::fresh(credential));
    peer.now = [this] { return house.now; };
  }
  void jump(std::int64_t by) {
    house.now =
        time_from_ms(static_cast<std::uint64_t>(static_cast<std::int64_t>(to_ms(house.now)) + by));
  }
  void pass(Milliseconds time) {
    house.now += time;
    clients += time;
  }
  Outcome send(const std::string& body) {
    const Outbox outbox(folder);
    Sender sender(outbox, {[this](const std::string& form) -> HttpAnswer {
                             const Reply reply = house.post(TestHouse::request(form));
                             return {reply.status, reply.body, ""};
                           },
                           [this] { return clients; }, [this](Milliseconds time) { pass(time); },
                           [this](const std::string& text) { reports.push_back(text); }});
    return sender.deliver(outbox.store("t", body));
  }
  [[nodiscard]] std::string bodies() const {
    std::string all;
    for (const InboxRow& row : house.inbox()) all.append(text_of(row.body)).append(" ");
    return all;
  }
};

template <class Work>
void either_way(Work work) {
  for (const std::int64_t by : {kJump, -kJump}) {
    BOOST_TEST_CONTEXT("a jump of " << by) { work(by); }
  }
}

BOOST_AUTO_TEST_CASE(the_client_finds_the_clock_again_and_its_messages_arrive_once) {
  either_way([](std::int64_t by) {
    Jumpy j;
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    j.jump(by);
    BOOST_TEST((j.send("2").kind == Kind::kAccepted));
    j.house.restart();
    BOOST_TEST((j.send("3").kind == Kind::kAccepted));
    j.jump(-by);
    BOOST_TEST((j.send("4").kind == Kind::kAccepted), "and back");
    BOOST_TEST(j.bodies() == "1 2 3 4 ");
    BOOST_TEST(j.reports.empty());
  });
}

BOOST_AUTO_TEST_CASE(a_new_installation_finds_it_too) {
  either_way([](std::int64_t by) {
    Jumpy j;
    j.jump(by);
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    BOOST_TEST(j.bodies() == "1 ");
  });
}

BOOST_AUTO_TEST_CASE(no_message_acts_a_second_time) {
  either_way([](std::int64_t by) {
    Jumpy j;
    j.peer.handshake();
    const Message message = j.peer.message("once");
    const Envelope sealed = j.peer.seal(message);
    BOOST_TEST(j.peer.post(sealed).status == "accepted");
    for (const std::int64_t one : {by, -by}) {
      j.jump(one);
      BOOST_TEST(j.peer.post(sealed).status == "duplicate", "the same bytes");
      BOOST_TEST(j.peer.send(message).status == "duplicate", "sealed again");
    }
    BOOST_TEST(j.bodies() == "once ");
  });
}

BOOST_AUTO_TEST_CASE(what_is_sent_at_another_time_is_late_and_can_be_sent_again) {
  either_way([](std::int64_t by) {
    Jumpy j;
    j.peer.handshake();
    BOOST_TEST(j.peer.send("before").status == "accepted");
    const Message message = j.peer.message("after");
    const Envelope sealed = j.peer.seal(message);
    j.jump(by);
    BOOST_TEST(j.peer.post(sealed).status == "late");
    BOOST_TEST(j.peer.send(message).status == "accepted");
    BOOST_TEST(j.bodies() == "before after ");
  });
}

BOOST_AUTO_TEST_CASE(a_replayed_handshake_never_ends_the_live_session) {
  either_way([](std::int64_t by) {
    Jumpy j;
    const std::string handshake = j.peer.handshake().form;
    BOOST_TEST(j.peer.send("1").status == "accepted");
    const auto replay = [&] { return j.house.post(TestHouse::request(handshake)).status; };
    BOOST_TEST(replay() == 403);
    j.jump(by);
    BOOST_TEST(replay() != 200, "forgotten, it is late");
    Peer other = j.house.client("other");
    other.handshake();  // the transaction that forgets
    BOOST_TEST(replay() != 200);
    j.jump(-by);
    for (int i = 0; i < 6; ++i) (void)replay();
    BOOST_TEST(j.peer.send("2").status == "accepted", "in the same session");
    j.pass(kPendingLife);
    BOOST_TEST(j.peer.handshake().status == "accepted", "whatever was left of it has ended");
    BOOST_TEST(j.peer.send("3").status == "accepted");
    BOOST_TEST(j.bodies() == "1 2 3 ");
  });
}

BOOST_AUTO_TEST_CASE(pending_sessions_of_a_time_to_come_keep_nobody_out) {
  Jumpy j;
  for (int i = 0; i < kPendingMax; ++i) BOOST_TEST(j.peer.handshake().status == "accepted");
  BOOST_TEST(j.peer.handshake().status == "unavailable");
  j.jump(-kJump);
  BOOST_TEST(j.peer.handshake().status == "accepted");
  BOOST_TEST(j.peer.send("x").status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_session_ends_by_the_clock_there_is_and_the_client_begins_another) {
  either_way([](std::int64_t by) {
    Jumpy j;
    j.house.set(kSessionLife, "30m");
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    j.jump(by);
    BOOST_TEST((j.send("2").kind == Kind::kAccepted));
    j.pass(31 * kMinute);
    BOOST_TEST((j.send("3").kind == Kind::kAccepted));
    BOOST_TEST(j.bodies() == "1 2 3 ");
  });
}

BOOST_AUTO_TEST_CASE(a_message_whose_handler_was_cut_short_is_taken_up_in_the_end) {
  either_way([](std::int64_t by) {
    Jumpy j;
    const Upstream application([](const Upstream::Request&) { return http_ok("done"); },
                               j.house.folder / "app");
    j.house.routes("* - http unix:" + (j.house.folder / "app") + ":/\n");
    j.peer.handshake();
    const Message message = j.peer.message("cut short");
    const Request request = TestHouse::request(j.peer.seal(message).form());
    BOOST_TEST(j.house.gateway().handle({&request, 1}, j.house.now).front().delivery != nullptr);
    j.house.restart();
    j.jump(by);
    // After a jump back its lease seems to last an hour more: it waits, and is not lost.
    const auto lease = static_cast<std::int64_t>(Settings{}.lease().count());
    const std::int64_t waits = std::max<std::int64_t>(0, lease - by);
    if (waits > 0) BOOST_TEST(j.peer.send(message).status == "in_progress");
    j.pass(Milliseconds(static_cast<std::uint64_t>(waits)));
    const Exchange exchange = j.peer.send(message);
    BOOST_TEST(exchange.status == "accepted");
    BOOST_TEST(exchange.body == "done");
    BOOST_TEST(application.requests().size() == 1U);
  });
}

BOOST_AUTO_TEST_CASE(a_quota_by_the_day_holds_within_the_day) {
  either_way([](std::int64_t by) {
    Jumpy j;
    j.house.now = Time(j.house.now.time_since_epoch() / kDay * kDay + 12 * kHour);  // noon
    j.house.set(kQuotaMessages, "3");
    j.peer.handshake();
    BOOST_TEST(j.peer.send("1").status == "accepted");
    BOOST_TEST(j.peer.send("2").status == "accepted");
    j.jump(by);
    BOOST_TEST(j.peer.send("3").status == "accepted");
    const Message message = j.peer.message("4");
    BOOST_TEST(j.peer.send(message).status == "unavailable");
    j.jump(-by);
    BOOST_TEST(j.peer.send(message).status == "unavailable");
    j.jump(12 * kJump);
    BOOST_TEST(j.peer.send(message).status == "accepted", "another day");
    BOOST_TEST(j.bodies() == "1 2 3 4 ");
  });
}

BOOST_AUTO_TEST_CASE(upkeep_goes_on) {
  either_way([](std::int64_t by) {
    Jumpy j;
    Gateway& gateway = j.house.gateway();
    j.peer.handshake();
    BOOST_TEST(j.peer.send("1").status == "accepted");
    gateway.tidy(j.house.now, false);
    j.peer.handshake();
    BOOST_TEST(j.peer.send("2").status == "accepted");
    BOOST_TEST(!gateway.is_tidy());
    j.jump(by);
    gateway.tidy(j.house.now, false);
    BOOST_TEST(gateway.is_tidy(), "the keys of the ended session are erased");
    BOOST_TEST(gateway.should_claim_overdue(j.house.now));
  });
}

}  // namespace
}  // namespace sealpost::test
