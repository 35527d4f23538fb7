// Pending and active sessions at the gateway (PROTOCOL 5, step 10; PROTOCOL 6, step 6).
#define BOOST_TEST_MODULE gateway_session
#include <boost/test/unit_test.hpp>

#include "support/gateway_fixture.h"
#include "support/plain_answer.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::expect_plain;
using test::GatewayFixture;
using test::kRejected;
using test::Peer;
using test::RoundTrip;

BOOST_AUTO_TEST_CASE(name_has_at_most_four_pending_sessions_and_evicts_none) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  Peer first(Credential::parse(peer.credential.json()), peer.wire);
  first.now = peer.now;
  first.session = peer.session;
  first.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
  for (int i = 0; i < 3; ++i) BOOST_TEST(peer.handshake().status == "accepted");
  const RoundTrip fifth = peer.handshake();
  BOOST_TEST(fifth.status == "unavailable");
  BOOST_TEST(fifth.reply.status == 503);
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session") == "4");
  Peer other = fixture.client("client2");
  BOOST_TEST(other.handshake().status == "accepted", "another name has its own four");
  BOOST_TEST(first.send().status == "accepted", "the oldest is still there");
}

BOOST_AUTO_TEST_CASE(pending_session_lives_60_s_and_active_one_until_it_expires) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  fixture.now += kPendingLife;
  expect_plain(peer.send().reply, kRejected, "pending for 60 s");
  peer.handshake();
  fixture.now += kPendingLife - Milliseconds{1};
  const Message message = peer.message();
  BOOST_TEST(peer.send(message).status == "accepted", "one millisecond less");
  fixture.now = peer.session->expires_at - Milliseconds{1};
  BOOST_TEST(peer.send().status == "accepted");
  fixture.now += Milliseconds{1};
  expect_plain(peer.send().reply, kRejected, "expired");
}

BOOST_AUTO_TEST_CASE(next_write_deletes_ended_sessions_and_keys) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  fixture.now += kPendingLife + Milliseconds{1};
  Peer other = fixture.client("client2");
  other.handshake();
  BOOST_TEST(fixture.sql("SELECT group_concat(name) FROM session") == "client2");
  BOOST_TEST(fixture.sql("SELECT count(*) FROM handshake") == "2", "handshakes are kept for 150 s");
  fixture.now += kHandshakeMemory;
  other.handshake();
  BOOST_TEST(fixture.sql("SELECT count(*) FROM handshake") == "1");
}

BOOST_AUTO_TEST_CASE(first_record_activates_session_and_ends_others_of_its_name) {
  GatewayFixture fixture;
  Peer one = fixture.client();
  Peer other_name = fixture.client("client2");
  other_name.handshake();
  BOOST_TEST(other_name.send().status == "accepted");
  one.handshake();
  BOOST_TEST(one.send().status == "accepted");

  Peer two(Credential::parse(one.credential.json()),
           one.wire);  // another installation of the same name
  two.now = one.now;
  two.handshake();
  BOOST_TEST(one.send().status == "accepted", "a handshake alone changes nothing");
  BOOST_TEST(two.send().status == "accepted");
  expect_plain(one.send().reply, kRejected, "taken over");
  BOOST_TEST(other_name.send().status == "accepted", "another name is not concerned");
}

BOOST_AUTO_TEST_CASE(record_rejected_before_step_6_does_not_activate) {
  GatewayFixture fixture;
  Peer at_work = fixture.client();
  at_work.handshake();
  BOOST_TEST(at_work.send().status == "accepted");
  Peer intruder(Credential::parse(at_work.credential.json()), at_work.wire);
  intruder.now = at_work.now;
  intruder.handshake();
  intruder.credential.claims = *Claims::of({{"role", "operator"}});
  BOOST_TEST(intruder.send().status == "forbidden");
  BOOST_TEST((intruder.post(intruder.seal_plaintext(0, Bytes(3))).status == "malformed"));
  BOOST_TEST(at_work.send().status == "accepted");
}

}  // namespace
}  // namespace sealpost
