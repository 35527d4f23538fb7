// The server's clock jumps an hour, forward or back.  No message is lost or accepted twice, and the
// clients continue without help.
#define BOOST_TEST_MODULE clock
#include <boost/test/unit_test.hpp>

#include "client/sender.h"
#include "support/gateway_fixture.h"
#include "support/web_application.h"

namespace sealpost::test {
namespace {

using Kind = Outcome::Kind;

constexpr auto kJump = static_cast<std::int64_t>(kHour.count());

// A gateway whose clock jumps, and the real client, whose own clock does not.
struct JumpingClock {
  GatewayFixture fixture;
  Time client_time = fixture.now;
  Credential credential = std::move(fixture.client("real").credential);
  std::string folder = fixture.folder / "state";
  std::vector<std::string> reports;
  Peer peer = fixture.client("peer");

  JumpingClock() {
    const Outbox outbox(folder);
    const crypto::SecretText text = credential.json();
    outbox.install(bytes_of(text), ClientState::fresh(credential));
    peer.now = [this] { return fixture.now; };
  }
  void jump(std::int64_t by) {
    fixture.now = time_from_ms(
        static_cast<std::uint64_t>(static_cast<std::int64_t>(to_ms(fixture.now)) + by));
  }
  void pass(Milliseconds time) {
    fixture.now += time;
    client_time += time;
  }
  Outcome send(const std::string& body) {
    const Outbox outbox(folder);
    Sender sender(outbox,
                  {[this](const std::string& form) -> HttpAnswer {
                     const Reply reply = fixture.post(GatewayFixture::request(form));
                     return {reply.status, reply.body, ""};
                   },
                   [this] { return client_time; }, [this](Milliseconds time) { pass(time); },
                   [this](const std::string& text) { reports.push_back(text); }});
    return sender.deliver(outbox.store("t", body));
  }
  [[nodiscard]] std::string bodies() const {
    std::string all;
    for (const InboxRow& row : fixture.inbox()) all.append(text_of(row.body)).append(" ");
    return all;
  }
};

template <class Work>
void either_way(Work work) {
  for (const std::int64_t by : {kJump, -kJump}) {
    BOOST_TEST_CONTEXT("a jump of " << by) { work(by); }
  }
}

BOOST_AUTO_TEST_CASE(client_corrects_clock_and_delivers_each_message_once) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    j.jump(by);
    BOOST_TEST((j.send("2").kind == Kind::kAccepted));
    j.fixture.restart();
    BOOST_TEST((j.send("3").kind == Kind::kAccepted));
    j.jump(-by);
    BOOST_TEST((j.send("4").kind == Kind::kAccepted), "and back");
    BOOST_TEST(j.bodies() == "1 2 3 4 ");
    BOOST_TEST(j.reports.empty());
  });
}

BOOST_AUTO_TEST_CASE(new_installation_corrects_clock) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    j.jump(by);
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    BOOST_TEST(j.bodies() == "1 ");
  });
}

BOOST_AUTO_TEST_CASE(never_accepts_message_twice_after_clock_jump) {
  either_way([](std::int64_t by) {
    JumpingClock j;
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

BOOST_AUTO_TEST_CASE(answers_late_after_clock_jump_and_accepts_message_sealed_again) {
  either_way([](std::int64_t by) {
    JumpingClock j;
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

BOOST_AUTO_TEST_CASE(replayed_handshake_never_ends_live_session) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    const std::string handshake = j.peer.handshake().form;
    BOOST_TEST(j.peer.send("1").status == "accepted");
    const auto replay = [&] { return j.fixture.post(GatewayFixture::request(handshake)).status; };
    BOOST_TEST(replay() == 403);
    j.jump(by);
    BOOST_TEST(replay() != 200, "forgotten, it is late");
    Peer other = j.fixture.client("other");
    other.handshake();  // the transaction that deletes expired rows
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

BOOST_AUTO_TEST_CASE(pending_sessions_from_the_future_are_replaced_first) {
  JumpingClock j;
  for (int i = 0; i < kPendingMax; ++i) BOOST_TEST(j.peer.handshake().status == "accepted");
  j.jump(-kJump);
  BOOST_TEST(j.peer.handshake().status == "accepted");
  Peer other(Credential::parse(j.peer.credential.json()), j.peer.wire);
  other.now = j.peer.now;
  BOOST_TEST(other.handshake().status == "accepted");
  BOOST_TEST(j.peer.send("x").status == "accepted", "the later handshake replaced another one");
}

BOOST_AUTO_TEST_CASE(handshakes_from_the_future_block_no_handshake) {
  JumpingClock j;
  (void)j.fixture.sql(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1024) "
      "INSERT INTO handshake SELECT randomblob(32), '" +
      j.peer.credential.name + "', 1, " + std::to_string(to_ms(j.fixture.now)) + " FROM n");
  BOOST_TEST(j.peer.handshake().status == "unavailable");
  j.jump(-kJump);
  BOOST_TEST(j.peer.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(client_replaces_session_that_expires_by_current_clock) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    j.fixture.set(kSessionLife, "30m");
    BOOST_TEST((j.send("1").kind == Kind::kAccepted));
    j.jump(by);
    BOOST_TEST((j.send("2").kind == Kind::kAccepted));
    j.pass(31 * kMinute);
    BOOST_TEST((j.send("3").kind == Kind::kAccepted));
    BOOST_TEST(j.bodies() == "1 2 3 ");
  });
}

BOOST_AUTO_TEST_CASE(claims_message_of_killed_handler_after_clock_jump) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    const WebApplication application([](const WebApplication::Request&) { return http_ok("done"); },
                                     j.fixture.folder / "app");
    j.fixture.routes("* - http unix:" + (j.fixture.folder / "app") + ":/\n");
    j.peer.handshake();
    const Message message = j.peer.message("cut short");
    const Request request = GatewayFixture::request(j.peer.seal(message).form());
    BOOST_TEST(std::holds_alternative<PendingDelivery>(j.fixture.handle(request)));
    j.fixture.restart();
    j.jump(by);
    // After a jump back its lease lasts an hour longer: the message waits and is not lost.
    const auto lease = static_cast<std::int64_t>(Settings{}.lease().count());
    const std::int64_t waits = std::max<std::int64_t>(0, lease - by);
    if (waits > 0) BOOST_TEST(j.peer.send(message).status == "in_progress");
    j.pass(Milliseconds(static_cast<std::uint64_t>(waits)));
    const RoundTrip exchange = j.peer.send(message);
    BOOST_TEST(exchange.status == "accepted");
    BOOST_TEST(exchange.body == "done");
    BOOST_TEST(application.requests().size() == 1U);
  });
}

BOOST_AUTO_TEST_CASE(enforces_daily_quota_across_clock_jump) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    j.fixture.now = Time(j.fixture.now.time_since_epoch() / kDay * kDay + 12 * kHour);  // noon
    j.fixture.set(kQuotaMessages, "3");
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

BOOST_AUTO_TEST_CASE(housekeeping_continues_after_clock_jump) {
  either_way([](std::int64_t by) {
    JumpingClock j;
    Gateway& gateway = j.fixture.gateway();
    j.peer.handshake();
    BOOST_TEST(j.peer.send("1").status == "accepted");
    gateway.do_housekeeping(j.fixture.now, false);
    j.peer.handshake();
    BOOST_TEST(j.peer.send("2").status == "accepted");
    BOOST_TEST(!gateway.is_housekeeping_done());
    j.jump(by);
    gateway.do_housekeeping(j.fixture.now, false);
    BOOST_TEST(gateway.is_housekeeping_done(), "the keys of the ended session are erased");
    BOOST_TEST(gateway.should_claim_overdue(j.fixture.now));
  });
}

}  // namespace
}  // namespace sealpost::test
