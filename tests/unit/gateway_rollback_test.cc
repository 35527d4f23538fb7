// How the gateway finds out that its database was rolled back (PROTOCOL 7).
#define BOOST_TEST_MODULE gateway_rollback
#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "store/backup.h"
#include "store/issuance_log.h"
#include "store/sqlite_store.h"
#include "support/client_in_session.h"
#include "support/database_copy.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;
using test::DatabaseCopy;
using test::GatewayFixture;
using test::is_rejected;
using test::Peer;
using test::RoundTrip;

std::string epoch_of(const GatewayFixture& fixture) {
  return fixture.sql("SELECT hex(epoch) FROM server");
}

BOOST_AUTO_TEST_CASE(later_receipt_in_handshake_proves_rollback_and_rejects_old_messages) {
  ClientInSession s;
  const DatabaseCopy copy(s.fixture);
  const Envelope after_copy = s.peer.seal(s.peer.message("once"));
  BOOST_TEST(s.peer.post(after_copy).status == "accepted");
  const std::string epoch = epoch_of(s.fixture);
  copy.put_back();

  const RoundTrip hello = s.peer.handshake();
  BOOST_TEST(is_rejected(hello.reply), "the proof itself is rejected");
  BOOST_TEST(epoch_of(s.fixture) != epoch);
  BOOST_TEST(s.fixture.sql("SELECT epoch_reason FROM server") == "rollback");
  BOOST_TEST(s.fixture.log().find("\"alarm\":\"rollback\"") != std::string::npos);
  BOOST_TEST(is_rejected(s.fixture.wire()(after_copy.form())), "no session is left to replay into");

  const RoundTrip again = s.peer.handshake();
  BOOST_TEST(again.status == "accepted", "the receipt of the old epoch is ignored");
  BOOST_TEST(hex(s.peer.session->epoch) != epoch);
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(later_receipt_in_record_proves_rollback_and_rejects_batch) {
  ClientInSession s;
  Peer other = s.fixture.client("client2");
  other.handshake();
  BOOST_TEST(other.send().status == "accepted");
  // A backup omits sessions, but a plain copy of the file would not: restore them too.
  s.fixture.sql("CREATE TABLE kept AS SELECT * FROM session");
  s.fixture.sql("CREATE TABLE kept_key AS SELECT * FROM session_key");
  const DatabaseCopy copy(s.fixture);
  BOOST_TEST(s.peer.send().status == "accepted");
  const std::string epoch = epoch_of(s.fixture);
  copy.put_back();
  s.fixture.sql("INSERT INTO session_key SELECT * FROM kept_key");
  s.fixture.sql("INSERT INTO session SELECT * FROM kept");

  std::vector<Request> batch;
  batch.push_back(GatewayFixture::request(other.seal(other.message("innocent")).form()));
  batch.push_back(GatewayFixture::request(s.peer.seal(s.peer.message("proof")).form()));
  for (const Handled& one : s.fixture.handle(batch)) {
    BOOST_TEST(std::get<Response>(one).status == 403);
    BOOST_TEST(std::get<Response>(one).body == "refused\n");
  }
  BOOST_TEST(epoch_of(s.fixture) != epoch);
  BOOST_TEST(s.fixture.sql("SELECT count(*) FROM session") == "0");
  BOOST_TEST(s.fixture.inbox().size() == 1U, "nothing of the batch was stored");
  BOOST_TEST(other.handshake().status == "accepted");
  --other.next;
  BOOST_TEST(other.send("innocent").status == "accepted");
}

BOOST_AUTO_TEST_CASE(new_epoch_remembers_handshakes_and_the_one_that_proved_the_rollback) {
  ClientInSession s;
  Peer other = s.fixture.client("client2");
  const DatabaseCopy copy(s.fixture);
  BOOST_TEST(s.peer.send().status == "accepted");
  copy.put_back();
  const RoundTrip before = other.handshake();
  BOOST_TEST(before.status == "accepted");
  const RoundTrip proof = s.peer.handshake();
  BOOST_TEST(is_rejected(proof.reply));
  BOOST_TEST(s.fixture.sql("SELECT epoch_reason FROM server") == "rollback");

  const std::string dump = s.fixture.dump();
  BOOST_TEST(is_rejected(s.fixture.wire()(before.form)));
  BOOST_TEST(is_rejected(s.fixture.wire()(proof.form)));
  BOOST_TEST(s.fixture.dump() == dump, "replays write nothing in the new epoch");
  BOOST_TEST(s.peer.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(ignores_forged_receipt) {
  ClientInSession s;
  const std::string epoch = epoch_of(s.fixture);
  s.peer.receipt.next += 1000;
  BOOST_TEST(s.peer.send().status == "accepted", "raised by hand");
  s.peer.receipt = Receipt{1U << 30, {1, 2, 3}};
  BOOST_TEST(s.peer.handshake().status == "accepted", "made up");
  BOOST_TEST(epoch_of(s.fixture) == epoch);
}

BOOST_AUTO_TEST_CASE(genuine_receipt_of_unknown_installation_proves_rollback) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const DatabaseCopy copy(fixture);
  peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  const std::string epoch = epoch_of(fixture);
  copy.put_back();
  BOOST_TEST(is_rejected(peer.handshake().reply));
  BOOST_TEST(epoch_of(fixture) != epoch);
}

BOOST_AUTO_TEST_CASE(rolled_back_database_applies_issuance_log) {
  ClientInSession s;
  Peer revoked = s.fixture.client("client2");
  const DatabaseCopy copy(s.fixture);
  BOOST_TEST(s.peer.send().status == "accepted");
  copy.put_back();
  BOOST_TEST(revoked.handshake().status == "accepted");
  // By a command that was killed before it changed the database.
  append_issuance(
      s.fixture.home.store_paths().issuance_log,
      {Issuance::Kind::kRevoke, "client2", 2, 1, R"({"role":"sensor"})", s.fixture.now, {}});
  BOOST_TEST(is_rejected(s.peer.handshake().reply));  // the proof
  BOOST_TEST(revoked.handshake().status == "revoked");
}

BOOST_AUTO_TEST_CASE(restored_backup_starts_new_epoch_and_clients_recover) {
  ClientInSession s;
  const DatabaseCopy copy(s.fixture);
  BOOST_TEST(s.peer.send("lost").status == "accepted");
  const std::string epoch = epoch_of(s.fixture);
  restore(s.fixture.home.store_paths(), s.fixture.home.server_id(), copy.file, s.fixture.now);
  BOOST_TEST(epoch_of(s.fixture) != epoch);
  BOOST_TEST(is_rejected(s.peer.send().reply), "the running gateway sees it at once");
  BOOST_TEST(s.peer.handshake().status == "accepted");
  BOOST_TEST(s.peer.send("after").status == "accepted");
}

BOOST_AUTO_TEST_CASE(one_rollback_starts_one_epoch) {
  ClientInSession s;
  // Two processes have the same proof at the same moment.  The second one finds that the epoch has
  // changed.
  Home& home = s.fixture.home;
  const Keyring ring = home.keyring();
  const auto store_with_proof = [&] {
    return std::make_unique<SqliteStore>(home.store_paths(), home.server_id());
  };
  const auto one = store_with_proof();
  const Installation who{"client1", 1, s.peer.install_nonce};
  const Bytes epoch_bytes = test::from_hex(s.fixture.sql("SELECT hex(epoch) FROM server")).value();
  Epoch epoch;
  std::copy(epoch_bytes.begin(), epoch_bytes.end(), epoch.bytes.begin());
  const Receipt proof = make_receipt(ring.receipt_key(1), epoch, who, 99);
  const auto begin = [&](Store& store, std::uint8_t handshake) {
    return store
        .start_session({{SessionId{handshake}, 1, who},
                        Bytes(104),
                        crypto::Digest{handshake},
                        proof,
                        s.fixture.now + kHour},
                       ring, s.fixture.now)
        .verdict;
  };
  BOOST_TEST((begin(*one, 1) == SessionStart::Verdict::kRolledBack));
  const std::string after = epoch_of(s.fixture);
  BOOST_TEST((begin(*store_with_proof(), 2) == SessionStart::Verdict::kStarted), "it is void now");
  BOOST_TEST(epoch_of(s.fixture) == after);
}

}  // namespace
}  // namespace sealpost
