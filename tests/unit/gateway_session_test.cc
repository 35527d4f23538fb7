// Pending and active sessions at the gateway (PROTOCOL 5, step 10; PROTOCOL 6, step 6).
#define BOOST_TEST_MODULE gateway_session
#include <boost/test/unit_test.hpp>
#include <utility>

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
using test::Wire;

// The peer with its present session, which its next handshake does not replace.
Peer copy_of(const Peer& peer) {
  Peer copy(Credential::parse(peer.credential.json()), peer.wire);
  copy.now = peer.now;
  copy.install_nonce = peer.install_nonce;
  copy.next = peer.next;
  copy.session = peer.session;
  copy.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
  return copy;
}

BOOST_AUTO_TEST_CASE(fifth_handshake_replaces_oldest_pending_session) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  std::vector<Peer> begun;
  for (int i = 0; i <= kPendingMax; ++i) {
    fixture.now += Milliseconds{1};
    BOOST_TEST(peer.handshake().status == "accepted");
    begun.push_back(copy_of(peer));
  }
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session") == "4");
  Peer other = fixture.client("client2");
  BOOST_TEST(other.handshake().status == "accepted", "another name has its own four");
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session") == "5");
  expect_plain(begun[0].send().reply, kRejected, "the oldest is replaced");
  BOOST_TEST(begun[1].send().status == "accepted", "the second oldest is still there");
}

BOOST_AUTO_TEST_CASE(handshakes_leave_active_session_alone) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  Peer active = copy_of(peer);
  for (int i = 0; i < 2 * kPendingMax; ++i) BOOST_TEST(peer.handshake().status == "accepted");
  BOOST_TEST(active.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(each_generation_has_its_own_pending_sessions) {
  GatewayFixture fixture;
  Peer former = fixture.client();
  former.handshake();
  Peer renewed = fixture.renewed(former);
  for (int i = 0; i < 2 * kPendingMax; ++i) BOOST_TEST(renewed.handshake().status == "accepted");
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session WHERE generation = 1") == "1");
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session WHERE generation = 2") == "4");
}

BOOST_AUTO_TEST_CASE(client_is_not_kept_out_by_four_withheld_handshakes) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  std::vector<std::string> withheld;
  const Wire wire = std::exchange(peer.wire, [&](const std::string& form) {
    withheld.push_back(form);
    return test::Reply{};
  });
  for (int i = 0; i < kPendingMax; ++i) (void)peer.handshake();
  peer.wire = wire;
  for (const std::string& form : withheld) BOOST_TEST(peer.wire(form).status == 200);
  BOOST_TEST(peer.handshake().status == "accepted");
  BOOST_TEST(peer.send().status == "accepted");
  const std::string before = fixture.dump();
  for (const std::string& form : withheld) expect_plain(peer.wire(form), kRejected, "spent");
  BOOST_TEST(fixture.dump() == before);
  BOOST_TEST(peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(replayed_handshake_of_replaced_session_writes_nothing) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string first = peer.handshake().form;
  for (int i = 0; i < kPendingMax; ++i) {
    fixture.now += Milliseconds{1};
    peer.handshake();
  }
  const std::string before = fixture.dump();
  expect_plain(peer.wire(first), kRejected, "it began its session");
  BOOST_TEST(fixture.dump() == before);
}

// As if so many sessions of this name and generation had begun now.
void begin_sessions(const GatewayFixture& fixture, const std::string& name, int generation,
                    int count) {
  (void)fixture.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
                    std::to_string(count) + ") INSERT INTO handshake SELECT randomblob(32), '" +
                    name + "', " + std::to_string(generation) + ", " +
                    std::to_string(to_ms(fixture.now)) + " FROM n");
}

BOOST_AUTO_TEST_CASE(generation_begins_at_most_1024_sessions_in_150_s) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  begin_sessions(fixture, "client1", 1, kBegunMax - 1);
  begin_sessions(fixture, "client1", 2, kBegunMax);
  begin_sessions(fixture, "client3", 1, kBegunMax);
  BOOST_TEST(peer.handshake().status == "accepted");
  const std::string before = fixture.dump();
  const RoundTrip tried = peer.handshake();
  BOOST_TEST(tried.status == "unavailable");
  BOOST_TEST(tried.reply.status == 503);
  BOOST_TEST(fixture.log().find("\"reason\":\"too_many_sessions\"") != std::string::npos);
  BOOST_TEST(fixture.dump() == before, "nothing is remembered of it");
  Peer other = fixture.client("client2");
  BOOST_TEST(other.handshake().status == "accepted", "another name has its own bound");
  fixture.now += kHandshakeMemory;
  BOOST_TEST(peer.handshake().status == "accepted", "150 s later");
}

BOOST_AUTO_TEST_CASE(unavailable_handshake_begins_its_only_session_once_there_is_room) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  begin_sessions(fixture, "client1", 1, kBegunMax);
  const RoundTrip tried = peer.handshake();
  BOOST_TEST(tried.status == "unavailable");
  (void)fixture.sql("DELETE FROM handshake");
  BOOST_TEST(peer.wire(tried.form).status == 200, "it had begun none");
  expect_plain(peer.wire(tried.form), kRejected, "now it has begun one");
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
