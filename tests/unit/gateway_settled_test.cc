// Messages that can never pass, and messages that are withdrawn (PROTOCOL 6, step 8 and
// "Withdrawing").
#define BOOST_TEST_MODULE gateway_settled
#include <boost/test/unit_test.hpp>

#include "support/client_in_session.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;
using test::Peer;
using test::RoundTrip;

int alarms(const ClientInSession& s) {
  const std::string log = s.fixture.log();
  int count = 0;
  for (std::size_t at = 0; (at = log.find("\"alarm\":\"no_route\"", at)) != std::string::npos; ++at)
    ++count;
  return count;
}

// A record that withdraws the message with this counter and digest.
Message withdrawal(std::uint64_t counter, const crypto::Digest& digest) {
  return {counter, crypto::random_id<MessageId>(), std::string(kWithdrawTopic),
          Bytes(digest.bytes.begin(), digest.bytes.end())};
}

BOOST_AUTO_TEST_CASE(message_without_route_never_acts) {
  ClientInSession s;
  s.fixture.routes("no/* - reject\nin/* role=sensor inbox\n");
  for (const char* topic : {"no/a", "unknown", "sealpost/other"}) {
    const Message message = s.peer.message("x", topic);
    const RoundTrip sent = s.peer.send(message);
    BOOST_TEST(sent.status == "no_route", topic);
    BOOST_TEST(sent.reply.status == 403);
    BOOST_TEST(sent.receipt.next == message.counter + 1, "the counter is used");
    s.fixture.routes("* - inbox\n");
    BOOST_TEST(s.peer.send(message).status == "no_route", "whatever the operator allows later");
    Message other = message;
    other.body.push_back('y');
    BOOST_TEST(s.peer.send(other).status == "conflict");
    s.fixture.routes("no/* - reject\nin/* role=sensor inbox\n");
  }
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM message WHERE status = 11 AND body IS NULL") ==
             "3");
}

BOOST_AUTO_TEST_CASE(operator_is_told_of_each_topic_without_route_once_an_hour) {
  ClientInSession s;
  s.fixture.routes("in/* - inbox\nno/* - reject\n");
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.peer.send("x", "no/a").status == "no_route");
  BOOST_TEST(alarms(s) == 1);
  BOOST_TEST(s.fixture.log().find("Line 2 of the routes file rejects the topic no/a of a client "
                                  "with the role sensor") != std::string::npos);
  s.fixture.restart();
  BOOST_TEST(s.peer.send("x", "no/a").status == "no_route");
  BOOST_TEST(alarms(s) == 1, "another process knows of it");
  BOOST_TEST(s.peer.send("x", "other").status == "no_route");
  BOOST_TEST(alarms(s) == 2, "another topic");
  BOOST_TEST(s.fixture.log().find("No line of the routes file takes the topic other") !=
             std::string::npos);
  s.fixture.now += kHour + Milliseconds{1};
  BOOST_TEST(s.peer.send("x", "no/a").status == "no_route");
  BOOST_TEST(alarms(s) == 3, "an hour later");
}

BOOST_AUTO_TEST_CASE(message_larger_than_whole_quota_is_settled_as_too_large) {
  ClientInSession s;
  s.fixture.set(kQuotaBytes, "10000");
  const Message large = s.peer.message(std::string(10001, 'x'), "t");
  const std::string most = {0, 0, 0, 0, 0, 0, 0x27, 0x10};
  const RoundTrip sent = s.peer.send(large);
  BOOST_TEST(sent.status == "too_large");
  BOOST_TEST(sent.reply.status == 409);
  BOOST_TEST(sent.body == most, "the most bytes");
  BOOST_TEST(sent.receipt.next == 2U, "the counter is used");
  s.fixture.set(kQuotaBytes, "");
  const Envelope again = s.peer.seal(large, 0, large.counter);
  const RoundTrip repeated = s.peer.post(again);
  BOOST_TEST(repeated.status == "too_large", "whatever the operator allows later");
  BOOST_TEST(repeated.body == most);
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.peer.send(std::string(10001, 'y')).status == "accepted", "as a new message");
}

BOOST_AUTO_TEST_CASE(message_that_fits_the_whole_quota_stays_open_while_there_is_no_room) {
  ClientInSession s;
  s.fixture.set(kQuotaBytes, "10000");
  BOOST_TEST(s.peer.send(std::string(6000, 'x')).status == "accepted");
  const RoundTrip sent = s.peer.send(std::string(6000, 'y'));
  BOOST_TEST(sent.status == "unavailable");
  BOOST_TEST(sent.receipt.next == 0U, "the counter is not used");
}

BOOST_AUTO_TEST_CASE(withdrawn_message_never_acts) {
  ClientInSession s;
  const Message message = s.peer.message("valve open");
  const RoundTrip withdrawn = s.peer.send(withdrawal(message.counter, message.digest()));
  BOOST_TEST(withdrawn.status == "withdrawn");
  BOOST_TEST(withdrawn.reply.status == 409);
  BOOST_TEST(withdrawn.receipt.next == message.counter + 1);
  BOOST_TEST(s.peer.send(message).status == "withdrawn", "it comes too late");
  BOOST_TEST(s.peer.send(withdrawal(message.counter, message.digest())).status == "withdrawn");
  Message other = message;
  other.body = {'x'};
  BOOST_TEST(s.peer.send(other).status == "conflict");
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.peer.send("valve open").status == "accepted", "as a new message");
}

BOOST_AUTO_TEST_CASE(withdrawing_used_counter_says_what_became_of_its_message) {
  ClientInSession s;
  s.fixture.routes("in - inbox\n");
  const Message accepted = s.peer.message("x", "in");
  const Message rejected = s.peer.message("x", "no");
  BOOST_TEST(s.peer.send(accepted).status == "accepted");
  BOOST_TEST(s.peer.send(rejected).status == "no_route");
  const auto withdraw = [&](const Message& message, const crypto::Digest& digest) {
    return s.peer.send(withdrawal(message.counter, digest)).status;
  };
  BOOST_TEST(withdraw(accepted, accepted.digest()) == "duplicate");
  BOOST_TEST(withdraw(rejected, rejected.digest()) == "no_route");
  BOOST_TEST(withdraw(accepted, rejected.digest()) == "conflict");
  BOOST_TEST(s.fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(late_or_malformed_withdrawal_leaves_counter_unused) {
  ClientInSession s;
  const Message message = s.peer.message();
  const Message withdraws = withdrawal(message.counter, message.digest());
  BOOST_TEST(s.peer.send(withdraws, -400'000).status == "late");
  for (const std::size_t size : {0U, 31U, 33U}) {
    Message wrong = withdraws;
    wrong.body.resize(size);
    BOOST_TEST(s.peer.send(wrong).status == "malformed", size);
  }
  BOOST_TEST(s.peer.send(message).status == "accepted");
}

BOOST_AUTO_TEST_CASE(client_withdraws_without_route_and_after_its_claims_have_ended) {
  test::GatewayFixture fixture;
  fixture.routes("in - inbox\n");
  const std::uint64_t end = fixture.now.time_since_epoch() / kSecond + 100;
  Peer peer = fixture.client("c", "r", {{"not_after", std::to_string(end)}});
  peer.handshake();
  fixture.sql(
      "UPDATE session SET live_until = live_until + 1000000, expires_at = expires_at + 1000000");
  fixture.now = Time(end * kSecond);
  const Message message = peer.message("x", "in");
  BOOST_TEST(peer.send(withdrawal(message.counter, message.digest())).status == "withdrawn");
}

BOOST_AUTO_TEST_CASE(withdrawal_waits_while_quota_of_messages_is_used_up) {
  ClientInSession s;
  s.fixture.set(kQuotaMessages, "1");
  const Message message = s.peer.message();
  BOOST_TEST(s.peer.send(withdrawal(message.counter, message.digest())).status == "unavailable");
  s.fixture.set(kQuotaMessages, "");
  BOOST_TEST(s.peer.send(message).status == "accepted", "its counter was not used");
}

}  // namespace
}  // namespace sealpost
