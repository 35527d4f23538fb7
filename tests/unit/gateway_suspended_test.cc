// Messages in progress when the database went back to a copy (PROTOCOL 7).
#define BOOST_TEST_MODULE gateway_suspended
#include <boost/test/unit_test.hpp>

#include "store/backup.h"
#include "support/gateway_fixture.h"
#include "support/handler_fixture.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::HandlerFixture;
using test::kCount;
using test::RoundTrip;

// A message was in progress when a backup was made; its handler ran; the backup was restored.
struct RestoredFixture {
  HandlerFixture s{kCount + "printf \"reply $SEALPOST_ATTEMPT\""};
  Message message = s.peer.message("x", "run/x");
  std::optional<PendingDelivery> running;
  std::int64_t suspended = 0;
  Database database = s.fixture.database();

  RestoredFixture() {
    s.fixture.now -= kHour;  // the tool uses the real clock
    s.peer.handshake();
    running = s.fixture.begin(GatewayFixture::request(s.peer.seal(message).form()));
    const std::string file = s.fixture.folder / "backup.db";
    back_up(database, file);
    running->run();
    suspended =
        restore(s.fixture.home.store_paths(), s.fixture.home.server_id(), file, s.fixture.now)
            .suspended;
    s.fixture.now += 30 * kMinute;
    s.peer.handshake();
  }
  [[nodiscard]] Inbox inbox() { return Inbox(database); }
};

BOOST_AUTO_TEST_CASE(restore_suspends_messages_in_progress) {
  RestoredFixture r;
  BOOST_TEST(r.suspended == 1);
  BOOST_TEST(r.s.state() == "suspended 1");
  BOOST_TEST(r.s.fixture.gateway().claim_overdue(r.s.fixture.now).empty());
  BOOST_TEST(r.s.deliver().empty());
  BOOST_TEST(r.s.peer.send(r.message).status == "suspended");
  BOOST_TEST(r.s.runs() == 1U, "the run before the restore");
}

BOOST_AUTO_TEST_CASE(proof_of_rollback_suspends_messages_in_progress) {
  HandlerFixture s(kCount);
  s.fixture.now -= kHour;
  s.peer.handshake();
  const Message message = s.begin("x");
  BOOST_TEST(s.peer.send("later", "box").status == "accepted");
  s.fixture.sql("DELETE FROM message WHERE topic = 'box'");  // as in a copy that was put back
  s.fixture.now += 10 * kMinute;
  BOOST_TEST(s.peer.handshake().status.empty(), "the proof is rejected");
  BOOST_TEST(s.state() == "suspended 1");
  s.peer.handshake();
  BOOST_TEST(s.peer.send(message).status == "suspended");
  BOOST_TEST(s.deliver().empty());
  BOOST_TEST(s.runs() == 0U);
}

BOOST_AUTO_TEST_CASE(operator_retries_suspended_message) {
  RestoredFixture r;
  BOOST_TEST(r.inbox().reopen(2, r.s.fixture.now).state == "suspended");
  const std::vector<std::string> expected = {"2 accepted"};
  BOOST_TEST(r.s.deliver() == expected, boost::test_tools::per_element());
  BOOST_TEST(r.s.state() == "settled 2");
  BOOST_TEST(r.s.peer.send(r.message).body == "reply 2");
  BOOST_TEST(r.s.runs() == 2U);
}

BOOST_AUTO_TEST_CASE(operator_marks_suspended_message_as_done) {
  RestoredFixture r;
  BOOST_CHECK_THROW(r.inbox().mark_done(1), Fault);
  r.inbox().mark_done(2);
  BOOST_CHECK_THROW(r.inbox().mark_done(2), Fault);
  BOOST_TEST(r.s.state() == "settled 1");
  BOOST_TEST(r.s.peer.send(r.message).status == "duplicate");
  BOOST_TEST(r.s.deliver().empty());
}

BOOST_AUTO_TEST_CASE(handler_that_ran_through_restore_settles_suspended_message) {
  RestoredFixture r;
  r.s.fixture.finish(*r.running);
  BOOST_TEST(r.s.state() == "settled 1");
  BOOST_TEST(r.s.peer.send(r.message).body == "reply 1");
}

BOOST_AUTO_TEST_CASE(interrupted_handler_leaves_message_suspended) {
  RestoredFixture r;
  r.running->result = {.kind = HandlerResult::Kind::kInterrupted};
  r.s.fixture.finish(*r.running);
  BOOST_TEST(r.s.state() == "suspended 1");
}

}  // namespace
}  // namespace sealpost
