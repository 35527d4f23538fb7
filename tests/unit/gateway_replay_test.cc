// Repeated, late and conflicting records at the gateway (PROTOCOL 6, steps 7 and 8).
#define BOOST_TEST_MODULE gateway_replay
#include <boost/test/unit_test.hpp>

#include "support/client_in_session.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;
using test::is_rejected;
using test::Peer;
using test::RoundTrip;

BOOST_AUTO_TEST_CASE(repeated_bytes_are_a_duplicate_and_stored_once) {
  ClientInSession s;
  const Message message = s.peer.message();
  const Envelope envelope = s.peer.seal(message);
  BOOST_TEST(s.peer.post(envelope).status == "accepted");
  const std::string before = s.fixture.dump();
  for (int i = 0; i < 3; ++i) {
    const RoundTrip again = s.peer.post(envelope);
    BOOST_TEST(again.status == "duplicate");
    BOOST_TEST(again.reply.status == 409);
    BOOST_TEST(again.receipt.next == 2U);
  }
  BOOST_TEST(s.fixture.dump() == before, "not a byte is written");
  s.fixture.restart();
  BOOST_TEST(s.peer.post(envelope).status == "duplicate", "after a restart");
  BOOST_TEST(s.fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(message_sealed_again_in_another_session_is_a_duplicate) {
  ClientInSession s;
  const Message message = s.peer.message();
  BOOST_TEST(s.peer.send(message).status == "accepted");
  BOOST_TEST(s.peer.send(message).status == "duplicate", "sealed anew");
  Peer other = s.same_client_in_new_session();
  BOOST_TEST(other.send(message).status == "duplicate", "in another session");
  BOOST_TEST(is_rejected(s.peer.send(message).reply), "the first session is over");
  BOOST_TEST(s.fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(used_counter_with_another_message_is_a_conflict_logged_once_an_hour) {
  ClientInSession s;
  const Message message = s.peer.message("one");
  BOOST_TEST(s.peer.send(message).status == "accepted");
  const auto alarms = [&] {
    const std::string log = s.fixture.log();
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find("\"alarm\":\"conflict\"", at)) != std::string::npos;
         ++at)
      ++count;
    return count;
  };
  const auto conflict = [&](Message other) {
    other.counter = message.counter;
    const RoundTrip exchange = s.peer.send(other);
    BOOST_TEST(exchange.status == "conflict");
    BOOST_TEST(exchange.reply.status == 409);
    BOOST_TEST(exchange.receipt.next == 2U, "the counter is used, so there is a receipt");
  };
  Message other = message;
  other.id.bytes[0] ^= 1;
  conflict(other);
  other = message;
  other.topic = "t2";
  conflict(other);
  other = message;
  other.body = {'t', 'w', 'o'};
  conflict(other);
  BOOST_TEST(alarms() == 1U);
  s.fixture.now += kHour + Milliseconds{1};
  conflict(other);
  BOOST_TEST(alarms() == 2U);
  BOOST_TEST(s.fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(accepts_any_order_of_counters_inside_window) {
  ClientInSession s;
  const auto send = [&](std::uint64_t counter) {
    s.peer.next = counter;
    return s.peer.send().status;
  };
  BOOST_TEST(send(5) == "accepted");
  BOOST_TEST(send(3) == "accepted");
  BOOST_TEST(send(4) == "accepted");
  BOOST_TEST(send(3) == "conflict", "used, with another message");
  BOOST_TEST(send(5000) == "accepted", "a jump wider than the window");
  // next is 5001: the window is 3977 to 5000
  BOOST_TEST(send(3977) == "accepted", "the oldest counter inside");
  BOOST_TEST(send(3976) == "too_old", "one older: outside, though never seen");
  BOOST_TEST(send(4) == "too_old", "outside, and used");
  BOOST_TEST(send(4999) == "accepted");
  BOOST_TEST(send(5001) == "accepted");
  BOOST_TEST(send(3977) == "too_old", "the window has moved on");
}

BOOST_AUTO_TEST_CASE(counter_below_window_is_too_old_even_if_stored) {
  ClientInSession s;
  const Message message = s.peer.message();
  const Envelope envelope = s.peer.seal(message);
  BOOST_TEST(s.peer.post(envelope).status == "accepted");
  s.peer.next = message.counter + kWindow;
  s.peer.send();
  const RoundTrip again = s.peer.post(envelope);
  BOOST_TEST(again.status == "too_old");
  BOOST_TEST(again.reply.status == 409);
  BOOST_TEST(s.fixture.inbox().size() == 2U);
}

BOOST_AUTO_TEST_CASE(late_message_leaves_counter_unused_for_gateway) {
  ClientInSession s;
  const Message message = s.peer.message();
  for (const std::int64_t shift : {300'001, -300'001}) {
    const RoundTrip exchange = s.peer.send(message, shift);
    BOOST_TEST(exchange.status == "late");
    BOOST_TEST(exchange.reply.status == 409);
    BOOST_TEST((exchange.receipt == Receipt{}));
  }
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.peer.send(message, 300'000).status == "accepted",
             "the same message, sealed at another time");
  BOOST_TEST(s.peer.send(message, 300'001).status == "duplicate",
             "lateness is only asked of new ones");
  BOOST_TEST(s.peer.send(s.peer.message(), -300'000).status == "accepted");
}

BOOST_AUTO_TEST_CASE(late_tolerance_is_a_setting_and_0_disables_it) {
  ClientInSession s;
  s.fixture.set(kTolerance, "10s");
  BOOST_TEST(s.peer.send(s.peer.message(), -10'001).status == "late");
  s.fixture.set(kTolerance, "0");
  BOOST_TEST(s.peer.send(s.peer.message(), -86'400'000).status == "accepted");
}

BOOST_AUTO_TEST_CASE(late_first_record_activates_session) {
  ClientInSession s;
  Peer other = s.same_client_in_new_session();
  BOOST_TEST(other.send(other.message(), 1'000'000).status == "late");
  BOOST_TEST(is_rejected(s.peer.send().reply), "step 6 was passed");
}

BOOST_AUTO_TEST_CASE(repeated_message_writes_nothing) {
  ClientInSession s;
  const Message message = s.peer.message();
  s.peer.send(message);
  const auto files = [&] {
    std::string all;
    for (const char* part : {"", "-wal"})
      all += test::read_text(s.fixture.home.store_paths().database + part);
    return crypto::sha256({bytes_of(all)});
  };
  const auto before = files();
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.peer.send(message).status == "duplicate");
  BOOST_TEST((files() == before));
}

}  // namespace
}  // namespace sealpost
