// Renewed clients: how long the former credential stays valid, and what ends it (PROTOCOL 3).
#define BOOST_TEST_MODULE gateway_renewal
#include <boost/test/unit_test.hpp>

#include "store/issuance_log.h"
#include "support/client_in_session.h"
#include "support/database_copy.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;
using test::DatabaseCopy;
using test::GatewayFixture;
using test::is_rejected;
using test::Peer;

// Another handle on the same credential, as a new installation.
Peer installed_again(const Peer& peer) {
  Peer other(Credential::parse(peer.credential.json()), peer.wire);
  other.now = peer.now;
  return other;
}

BOOST_AUTO_TEST_CASE(former_goes_on_until_first_record_of_new_generation) {
  ClientInSession s;
  Peer neighbour = s.fixture.client("client2");
  neighbour.handshake();
  Peer renewed = s.fixture.renewed(s.peer);
  BOOST_TEST(s.peer.send("in its session").status == "accepted");
  BOOST_TEST(s.peer.handshake().status == "accepted");
  BOOST_TEST(s.peer.send("in a new session").status == "accepted");
  BOOST_TEST(renewed.handshake().status == "accepted");
  BOOST_TEST(s.peer.send("after a handshake of the new one").status == "accepted");
  BOOST_TEST(renewed.send("first record").status == "accepted");
  BOOST_TEST(is_rejected(s.peer.send("too late").reply), "its session has ended");
  BOOST_TEST(s.peer.handshake().status == "revoked");
  BOOST_TEST(renewed.send("second record").status == "accepted");
  BOOST_TEST(neighbour.send("of another client").status == "accepted");
}

BOOST_AUTO_TEST_CASE(handshake_of_new_generation_changes_no_row) {
  ClientInSession s;
  Peer renewed = s.fixture.renewed(s.peer);
  const std::string before = s.fixture.sql("SELECT generation || '|' || former FROM client");
  BOOST_TEST(before == "2|1");
  for (int i = 0; i < 4; ++i) {
    BOOST_TEST(renewed.handshake().status == "accepted");
    BOOST_TEST(s.fixture.sql("SELECT generation || '|' || former FROM client") == before);
  }
  // A handshake that this row does not know of yet changes it no more than the others.
  s.fixture.sql(
      "UPDATE client SET generation = 1, former = NULL, former_kid = NULL, "
      "former_until = NULL");
  BOOST_TEST(renewed.handshake().status == "accepted");
  BOOST_TEST(s.fixture.sql("SELECT generation FROM client") == "1");
  BOOST_TEST(s.peer.send("the client has not spoken under the new one").status == "accepted");
}

BOOST_AUTO_TEST_CASE(former_ends_with_its_grace_and_hears_revoked) {
  ClientInSession s;
  Peer renewed = s.fixture.renewed(s.peer, kHour);
  s.fixture.now += kHour - Milliseconds(1);
  BOOST_TEST(s.peer.send().status == "accepted");
  s.fixture.now += Milliseconds(1);
  BOOST_TEST(s.peer.send().status == "revoked", "sealed, in the session that it has");
  BOOST_TEST(s.peer.handshake().status == "revoked");
  s.fixture.now -= Milliseconds(1);
  BOOST_TEST(s.peer.send().status == "accepted",
             "the end is not written: a wrong clock undoes itself");
}

BOOST_AUTO_TEST_CASE(of_two_renewals_the_one_that_was_never_used_ends) {
  ClientInSession s;
  Peer unused = s.fixture.renewed(s.peer);
  Peer newest = s.fixture.renewed(s.peer);
  BOOST_TEST(newest.credential.generation == 3U);
  BOOST_TEST(unused.handshake().status == "revoked");
  BOOST_TEST(s.peer.send().status == "accepted", "the former stays");
  BOOST_TEST(newest.handshake().status == "accepted");
  BOOST_TEST(newest.send().status == "accepted");
  BOOST_TEST(s.peer.handshake().status == "revoked");

  Peer after = s.fixture.renewed(newest);
  BOOST_TEST(newest.send().status == "accepted", "the used one is the former now");
  BOOST_TEST(after.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(renewal_after_the_grace_keeps_the_row_as_former) {
  ClientInSession s;
  Peer second = s.fixture.renewed(s.peer, kHour);
  s.fixture.now += 2 * kHour;
  Peer third = s.fixture.renewed(s.peer);
  BOOST_TEST(s.peer.handshake().status == "revoked", "its grace has ended");
  BOOST_TEST(second.handshake().status == "accepted");
  BOOST_TEST(third.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(revocation_and_removal_end_both_credentials) {
  for (const bool remove : {false, true}) {
    ClientInSession s;
    Peer renewed = s.fixture.renewed(s.peer);
    renewed.handshake();
    Database database = s.fixture.database();
    if (remove) {
      Clients(database).remove("client1", s.fixture.now);
    } else {
      Clients(database).revoke("client1", s.fixture.now);
    }
    BOOST_TEST(is_rejected(s.peer.send().reply), remove);
    BOOST_TEST(is_rejected(renewed.send().reply), remove);
    BOOST_TEST(s.peer.handshake().status == "revoked", remove);
    BOOST_TEST(renewed.handshake().status == "revoked", remove);
  }
}

BOOST_AUTO_TEST_CASE(renewed_revoked_client_has_no_former) {
  ClientInSession s;
  Database database = s.fixture.database();
  Clients(database).revoke("client1", s.fixture.now);
  Peer renewed = s.fixture.renewed(s.peer);
  BOOST_TEST(s.peer.handshake().status == "revoked");
  BOOST_TEST(renewed.handshake().status == "accepted");
}

// A thief of the former credential cannot keep the new one out.
BOOST_AUTO_TEST_CASE(record_of_former_leaves_pending_session_of_new_generation) {
  ClientInSession s;
  Peer renewed = s.fixture.renewed(s.peer);
  Peer thief = installed_again(s.peer);
  BOOST_TEST(renewed.handshake().status == "accepted");
  BOOST_TEST(thief.handshake().status == "accepted");
  BOOST_TEST(thief.send().status == "accepted");
  BOOST_TEST(is_rejected(s.peer.send().reply), "the sessions of its own generation end");
  BOOST_TEST(renewed.send().status == "accepted");
  BOOST_TEST(is_rejected(thief.send().reply));
}

BOOST_AUTO_TEST_CASE(database_put_back_by_copying_does_not_readmit_revoked_client) {
  ClientInSession s;
  Peer removed = s.fixture.client("client2");
  const DatabaseCopy copy(s.fixture);
  {
    Database database = s.fixture.database();
    Clients(database).revoke("client1", s.fixture.now);
    Clients(database).remove("client2", s.fixture.now);
  }
  copy.put_back();
  BOOST_TEST(s.peer.handshake().status == "revoked");
  BOOST_TEST(removed.handshake().status == "revoked");
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM client WHERE revoked_at IS NULL") == "0");
}

BOOST_AUTO_TEST_CASE(database_put_back_by_copying_knows_former_of_renewed_client) {
  ClientInSession s;
  const DatabaseCopy copy(s.fixture);
  Peer renewed = s.fixture.renewed(s.peer);
  copy.put_back();
  Peer former = installed_again(s.peer);
  BOOST_TEST(former.handshake().status == "accepted");
  BOOST_TEST(former.send().status == "accepted");
  BOOST_TEST(renewed.handshake().status == "accepted");
  BOOST_TEST(renewed.send().status == "accepted");
  BOOST_TEST(former.handshake().status == "revoked");
  s.fixture.restart();
  BOOST_TEST(former.handshake().status == "revoked", "an equal line changes nothing");
}

// The home is put back whole, and a renewal is lost with it.  A revocation then gets its number.
BOOST_AUTO_TEST_CASE(revocation_applies_at_equal_generation_and_deletes_sessions) {
  ClientInSession s;
  const std::string& log = s.fixture.home.store_paths().issuance_log;
  const std::string old_log = test::read_text(log);
  Peer renewed = s.fixture.renewed(s.peer);
  renewed.handshake();
  BOOST_TEST(renewed.send().status == "accepted");
  s.fixture.restart();
  test::write_text(log, old_log);
  append_issuance(log, {Issuance::Kind::kRevoke,
                        "client1",
                        renewed.credential.generation,
                        1,
                        R"({"role":"sensor"})",
                        s.fixture.now,
                        {}});
  s.fixture.restart();
  BOOST_TEST(renewed.handshake().status == "revoked");
  BOOST_TEST(is_rejected(renewed.send().reply), "its session is deleted");
  BOOST_TEST(s.peer.handshake().status == "revoked");
}

BOOST_AUTO_TEST_CASE(unchanged_issuance_log_is_not_read_again) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string& log = fixture.home.store_paths().issuance_log;
  std::string text = test::read_text(log);
  // A change that keeps length and last line is not seen, so the whole file was not read.
  test::write_text(log, text + text);
  BOOST_TEST(peer.handshake().status == "accepted");
  fixture.restart();
  text.front() = '?';
  test::write_text(log, text + test::read_text(log).substr(text.size()));
  BOOST_TEST(peer.handshake().status == "accepted");
  test::write_text(log, test::read_text(log) + text);
  fixture.restart();
  BOOST_TEST(peer.handshake().reply.status == 503, "a changed file is read");
}

}  // namespace
}  // namespace sealpost
