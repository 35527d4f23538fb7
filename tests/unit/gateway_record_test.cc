// PROTOCOL 6 and 7, row by row, against a gateway in this process with a clock of the test's.
#define BOOST_TEST_MODULE gateway_record
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "store/backup.h"
#include "store/sqlite_store.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::RoundTrip;

// A gateway and one client in an active session.  The client has sent a ping with counter 0.
struct ClientInSession {
  GatewayFixture fixture;
  Peer peer = fixture.client();

  ClientInSession() {
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  // A second handle on the same client: same credential, same installation, another session.
  [[nodiscard]] Peer same_client_in_new_session() const {
    Peer other(Credential::parse(peer.credential.json()), peer.wire);
    other.now = peer.now;
    other.install_nonce = peer.install_nonce;
    other.receipt = peer.receipt;
    other.next = peer.next;
    other.handshake();
    return other;
  }
};

bool is_rejected(const test::Reply& reply) {
  return reply.status == 403 && reply.body == "refused\n" && reply.type == "text/plain";
}

BOOST_AUTO_TEST_CASE(stores_accepted_message_unchanged) {
  ClientInSession s;
  s.fixture.now += Milliseconds{1234};
  const Message message = s.peer.message(std::string("21.5\0C", 6), "telemetry/room");
  const RoundTrip sent = s.peer.send(message, -5);
  BOOST_TEST(sent.status == "accepted");
  BOOST_TEST(sent.reply.status == 200);
  BOOST_TEST(sent.server_time == s.fixture.now);
  BOOST_TEST(sent.receipt.next == 2U);
  BOOST_TEST(sent.body.empty());
  const auto rows = s.fixture.inbox();
  BOOST_REQUIRE(rows.size() == 1U);  // the ping was delivered nowhere
  BOOST_TEST(rows[0].name == "client1");
  BOOST_TEST(rows[0].topic == "telemetry/room");
  BOOST_TEST(rows[0].claims == R"({"role":"sensor"})");
  BOOST_TEST(rows[0].body == message.body, boost::test_tools::per_element());
  BOOST_TEST(rows[0].received_at == s.fixture.now);
  BOOST_TEST(rows[0].sent_at == s.fixture.now - Milliseconds{5});
  BOOST_TEST(rows[0].install_nonce == s.peer.install_nonce);
  BOOST_TEST(rows[0].counter == 1U);
  BOOST_TEST(rows[0].message_id == message.id);
  BOOST_TEST(rows[0].digest == message.digest());
}

BOOST_AUTO_TEST_CASE(accepts_every_form_of_clear_fields) {
  ClientInSession s;
  for (const bool name : {false, true}) {
    for (const bool hmac : {false, true}) {
      s.peer.name_in_clear = name;
      s.peer.hmac_in_clear = hmac;
      BOOST_TEST(s.peer.send().status == "accepted", name << hmac);
    }
  }
  BOOST_TEST(s.fixture.inbox().size() == 4U);
}

BOOST_AUTO_TEST_CASE(accepts_empty_body) {
  ClientInSession s;
  BOOST_TEST(s.peer.send("").status == "accepted");
  BOOST_REQUIRE(s.fixture.inbox().size() == 1U);
  BOOST_TEST(s.fixture.inbox()[0].body.empty());
}

BOOST_AUTO_TEST_CASE(unauthenticated_requests_get_one_answer_and_write_nothing) {
  ClientInSession s;
  const std::string before = s.fixture.dump();
  const Envelope good = s.peer.seal(s.peer.message());
  for (std::size_t i = 0; i < good.message.size(); ++i) {
    Envelope changed = good;
    changed.message[i] ^= 1;
    BOOST_TEST(is_rejected(s.fixture.wire()(changed.form())), "byte " << i);
  }
  Envelope named = good;
  named.name = "client1";
  BOOST_TEST(is_rejected(s.fixture.wire()(named.form())), "a name that was not sealed in");
  for (const std::size_t size : {1U, 40U, 41U, 56U, 57U}) {
    Envelope cut = good;
    cut.message.resize(size);
    BOOST_TEST(is_rejected(s.fixture.wire()(cut.form())), size << " bytes");
  }
  BOOST_TEST(s.fixture.dump() == before);
  BOOST_TEST(s.fixture.wire()(good.form()).status == 200, "the unchanged one is taken");
}

BOOST_AUTO_TEST_CASE(rejects_clear_name_of_another_session) {
  ClientInSession s;
  s.peer.name_in_clear = true;
  s.peer.credential.name = "client2";
  BOOST_TEST(is_rejected(s.peer.send().reply));  // well sealed, with that name bound in
  s.peer.credential.name = "client1";
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(rejects_counter_of_2_pow_63) {
  ClientInSession s;
  s.peer.next = kCounterEnd;
  BOOST_TEST(is_rejected(s.peer.send().reply));
  s.peer.next = kCounterEnd - 1;
  BOOST_TEST(s.peer.send().status == "accepted");
}

Bytes plaintext(const Peer& peer, const std::string& topic, bool hmac = true, Bytes claims = {}) {
  if (claims.empty()) claims = peer.credential.claims.encode();
  Writer writer;
  writer.time(peer.now()).u64(0).put(Bytes(24)).lp16(claims);
  writer.lp8(hmac ? ByteView(peer.credential.key_use_hmac) : ByteView());
  return writer.put(MessageId{}).lp8(topic).take();
}

BOOST_AUTO_TEST_CASE(malformed_plaintext_uses_no_counter) {
  ClientInSession s;
  const std::string before = s.fixture.dump();
  const auto status = [&](const Bytes& bytes) {
    const RoundTrip exchange = s.peer.post(s.peer.seal_plaintext(s.peer.next, bytes));
    BOOST_TEST((exchange.status != "malformed" || exchange.reply.status == 409));
    BOOST_TEST((exchange.receipt == Receipt{}), "no receipt for a counter that is not used");
    return exchange.status;
  };
  BOOST_TEST(status({}) == "malformed");
  BOOST_TEST(status(Bytes(20)) == "malformed");
  BOOST_TEST(status(plaintext(s.peer, "")) == "malformed");
  BOOST_TEST(status(plaintext(s.peer, "a b")) == "malformed");
  BOOST_TEST(status(plaintext(s.peer, std::string(129, 't'))) == "malformed");
  BOOST_TEST(status(plaintext(s.peer, "t", false)) == "malformed");
  BOOST_TEST(status(plaintext(s.peer, "t", true, {2, 0})) == "malformed");
  BOOST_TEST(s.fixture.dump() == before);
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(forged_claims_are_forbidden_and_use_no_counter) {
  ClientInSession s;
  const std::string before = s.fixture.dump();
  const Claims issued = s.peer.credential.claims;
  s.peer.credential.claims = *Claims::of({{"role", "operator"}});
  const RoundTrip exchange = s.peer.send(s.peer.message());
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.reply.status == 403);
  BOOST_TEST((exchange.receipt == Receipt{}));
  BOOST_TEST(s.fixture.dump() == before);
  s.peer.credential.claims = issued;
  --s.peer.next;
  BOOST_TEST(s.peer.send().status == "accepted");
}

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
  Peer twin = s.same_client_in_new_session();
  BOOST_TEST(twin.send(message).status == "duplicate", "in another session");
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
  Peer twin = s.same_client_in_new_session();
  BOOST_TEST(twin.send(twin.message(), 1'000'000).status == "late");
  BOOST_TEST(is_rejected(s.peer.send().reply), "step 6 was passed");
}

BOOST_AUTO_TEST_CASE(expired_claims_are_forbidden_and_use_the_counter) {
  GatewayFixture fixture;
  const std::uint64_t end = fixture.now.time_since_epoch() / kSecond + 100;
  Peer peer = fixture.client("c", "r", {{"not_after", std::to_string(end)}});
  peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  fixture.sql(
      "UPDATE session SET live_until = live_until + 1000000, expires_at = expires_at + 1000000");
  fixture.now = Time(end * kSecond);
  const Message message = peer.message();
  const RoundTrip exchange = peer.send(message);
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.receipt.next == 2U, "the counter is used");
  fixture.now -= 10 * kSecond;  // even if the rules change back
  BOOST_TEST(peer.send(message).status == "forbidden", "the same bytes cannot act later");
  Message other = message;
  other.id.bytes[0] ^= 1;
  BOOST_TEST(peer.send(other).status == "conflict");
  BOOST_TEST(fixture.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(ping_is_accepted_undelivered_and_other_reserved_topics_are_forbidden) {
  ClientInSession s;
  BOOST_TEST(s.peer.send("x", "sealpost/ping").status == "accepted");
  const Message reserved = s.peer.message("x", "sealpost/other");
  const RoundTrip exchange = s.peer.send(reserved);
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.receipt.next == 3U, "the counter is used");
  BOOST_TEST(s.peer.send(reserved).status == "forbidden");
  BOOST_TEST(s.peer.send("x", "sealpost/").status == "forbidden");
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.peer.send("x", "sealpost").status == "accepted");
}

BOOST_AUTO_TEST_CASE(revocation_deletes_session_and_renewal_answers_revoked) {
  ClientInSession s;
  s.fixture.sql(
      "UPDATE client SET generation = 2");  // behind everybody's back: the session is still there
  const RoundTrip exchange = s.peer.send();
  BOOST_TEST(exchange.status == "revoked");
  BOOST_TEST(exchange.reply.status == 403);
  BOOST_TEST((exchange.receipt == Receipt{}));
  s.fixture.sql("DELETE FROM client");
  BOOST_TEST(s.peer.send().status == "revoked", "no row");

  ClientInSession renewed;
  (void)renewed.fixture.renewed(renewed.peer);
  BOOST_TEST(renewed.peer.send().status == "revoked", "a generation below its row's");

  ClientInSession other;
  Database database = other.fixture.database();
  Clients(database).revoke("client1", other.fixture.now);
  BOOST_TEST(is_rejected(other.peer.send().reply), "revoking deletes the sessions");
}

BOOST_AUTO_TEST_CASE(every_answer_to_a_used_counter_carries_current_receipt) {
  ClientInSession s;
  const Message first = s.peer.message();
  const Receipt one = s.peer.send(first).receipt;
  const Receipt two = s.peer.send().receipt;
  BOOST_TEST(one.next == 2U);
  BOOST_TEST(two.next == 3U);
  BOOST_TEST((s.peer.send(first).receipt == two));
  const auto rows = s.fixture.sql("SELECT hex(epoch) FROM server");
  const auto epoch = test::from_hex(rows).value();
  Reader reader(epoch);
  const Keyring ring = s.fixture.home.keyring();
  BOOST_TEST(is_genuine(two, ring.receipt_key(1), reader.id<Epoch>(),
                        {"client1", 1, s.peer.install_nonce}));
}

BOOST_AUTO_TEST_CASE(answer_opens_for_its_own_request_only) {
  ClientInSession s;
  const Envelope one = s.peer.seal(s.peer.message());
  const Envelope two = s.peer.seal(s.peer.message());
  const test::Reply answer = s.fixture.wire()(one.form());
  BOOST_TEST(static_cast<bool>(
      open_answer(s.peer.keys->s2c, crypto::sha256({one.message}), bytes_of(answer.body))));
  BOOST_TEST(!open_answer(s.peer.keys->s2c, crypto::sha256({two.message}), bytes_of(answer.body)));
}

BOOST_AUTO_TEST_CASE(answers_batch_in_order_and_isolates_rejections) {
  ClientInSession s;
  Peer other = s.fixture.client("client2");
  other.handshake();
  const Message same = s.peer.message("same");
  std::vector<Request> batch;
  const auto add = [&](const std::string& form) { batch.push_back(GatewayFixture::request(form)); };
  add(s.peer.seal(same).form());
  add("garbage");
  add(s.peer.seal(same).form());
  add(other.seal(other.message("other")).form());
  Envelope broken = s.peer.seal(s.peer.message());
  broken.message.back() ^= 1;
  add(broken.form());
  add(s.peer.seal(s.peer.message("late"), 900'000).form());
  add(s.peer.seal(s.peer.message("last")).form());
  std::vector<int> statuses;
  for (const Handled& one : s.fixture.handle(batch)) {
    statuses.push_back(std::get<Response>(one).status);
  }
  const std::vector<int> expected = {200, 400, 409, 200, 403, 409, 200};
  BOOST_TEST(statuses == expected, boost::test_tools::per_element());
  std::vector<std::string> bodies;
  for (const auto& row : s.fixture.inbox()) bodies.emplace_back(text_of(row.body));
  const std::vector<std::string> stored = {"same", "other", "last"};
  BOOST_TEST(bodies == stored, boost::test_tools::per_element());
}

// --- Rollback (PROTOCOL 7) ---

std::string epoch_of(const GatewayFixture& fixture) {
  return fixture.sql("SELECT hex(epoch) FROM server");
}

// The database as it is now, to be put back later behind everybody's back.
struct DatabaseCopy {
  explicit DatabaseCopy(GatewayFixture& of) : fixture(of) {
    Database database = fixture.database();
    back_up(database, file);
  }
  void put_back() const {
    fixture.restart();
    for (const char* part : {"", "-wal", "-shm"}) {
      std::filesystem::remove(fixture.home.store_paths().database + part);
    }
    std::filesystem::copy_file(file, fixture.home.store_paths().database);
    fixture.restart();
  }
  GatewayFixture& fixture;
  std::string file = fixture.folder / "copy.db";
};

BOOST_AUTO_TEST_CASE(later_receipt_in_handshake_proves_rollback_and_rejects_old_messages) {
  ClientInSession s;
  const DatabaseCopy copy(s.fixture);
  const Envelope after_copy = s.peer.seal(s.peer.message("once"));
  BOOST_TEST(s.peer.post(after_copy).status == "accepted");
  const std::string epoch = epoch_of(s.fixture);
  copy.put_back();

  const RoundTrip hello = s.peer.handshake();
  BOOST_TEST(is_rejected(hello.reply), "the proof itself is answered as a stranger's");
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
  // A backup leaves sessions out, but a plain copy of the file would not: put them back too.
  s.fixture.sql("CREATE TABLE kept AS SELECT * FROM session");
  const DatabaseCopy copy(s.fixture);
  BOOST_TEST(s.peer.send().status == "accepted");
  const std::string epoch = epoch_of(s.fixture);
  copy.put_back();
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
  {
    Database database = s.fixture.database();
    Clients(database).revoke("client2", s.fixture.now);
  }
  Peer late = s.fixture.client("client3");
  copy.put_back();
  BOOST_TEST(late.handshake().status == "revoked", "the old copy has no row for it");
  BOOST_TEST(is_rejected(s.peer.handshake().reply));  // the proof
  BOOST_TEST(revoked.handshake().status == "revoked");
  BOOST_TEST(late.handshake().status == "accepted");
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

// --- What is said of all this ---

BOOST_AUTO_TEST_CASE(logs_one_line_per_request_without_secrets) {
  ClientInSession s;
  s.peer.send("a body nobody should read", "telemetry/room");
  s.fixture.wire()("garbage");
  s.fixture.wire()("encrypted_message=EgEC");
  std::istringstream lines(s.fixture.log());
  std::vector<nlohmann::json> entries;
  for (std::string line; std::getline(lines, line);) entries.push_back(nlohmann::json::parse(line));
  BOOST_REQUIRE(entries.size() == 5U);
  BOOST_TEST(entries[0]["outcome"] == "session");
  BOOST_TEST(entries[1]["outcome"] == "accepted");
  BOOST_TEST(entries[1]["topic"] == "sealpost/ping");
  const nlohmann::json& sent = entries[2];
  BOOST_TEST(sent["outcome"] == "accepted");
  BOOST_TEST(sent["name"] == "client1");
  BOOST_TEST(sent["topic"] == "telemetry/room");
  BOOST_TEST(sent["number"] == s.fixture.inbox()[0].number);
  BOOST_TEST(sent.contains("us"));
  BOOST_TEST(sent["time"] == iso_time(s.fixture.now));
  BOOST_TEST(entries[3]["outcome"] == "rejected");
  BOOST_TEST(entries[3]["reason"] == "form");
  BOOST_TEST(!entries[3].contains("name"));
  BOOST_TEST(entries[4]["reason"] == "record_length");
  BOOST_TEST((entries[3]["id"] != entries[4]["id"]));

  const std::string log = s.fixture.log();
  BOOST_TEST(log.find("nobody should read") == std::string::npos);
  for (const ByteView secret :
       {ByteView(s.peer.credential.client_key.reveal()), ByteView(s.peer.keys->c2s.reveal()),
        ByteView(s.peer.keys->s2c.reveal()), ByteView(s.peer.credential.key_use_hmac)}) {
    BOOST_TEST(log.find(base64url(secret)) == std::string::npos);
    BOOST_TEST(log.find(hex(secret)) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(writes_rejection_counts_at_most_every_ten_seconds) {
  ClientInSession s;
  s.fixture.wire()("garbage");
  s.fixture.wire()("garbage");
  const Message message = s.peer.message();
  s.peer.send(message);
  s.peer.send(message);
  const std::string before = s.fixture.dump();
  Gateway& gateway = s.fixture.gateway();
  const auto count = [&](const char* name, const char* outcome) {
    return s.fixture.sql(std::string("SELECT count FROM tally WHERE name = '") + name +
                         "' AND outcome = '" + outcome + "'");
  };
  gateway.do_housekeeping(s.fixture.now, false);
  BOOST_TEST(count("", "form") == "2");
  BOOST_TEST(count("client1", "duplicate") == "1");
  s.fixture.wire()("garbage");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{9'999}, false);
  BOOST_TEST(count("", "form") == "2", "not yet");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "2", "strangers alone write nothing");
  s.peer.send();
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "3");
  s.fixture.wire()("garbage");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'001}, true);
  BOOST_TEST(count("", "form") == "4", "at exit");

  Database database = s.fixture.database();
  std::int64_t accepted = 0;
  for (const StatsRow& row : Inbox(database).stats()) {
    if (row.outcome == "accepted") accepted += row.count;
  }
  BOOST_TEST(accepted == 3, "the ping and two messages");
}

BOOST_AUTO_TEST_CASE(leaves_no_key_of_ended_session_in_any_file) {
  ClientInSession s;
  const auto lies_in_a_file = [&](const std::string& bytes) {
    const auto parts = {"", "-wal", "-shm"};
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) {
      const std::string file = test::read_text(s.fixture.home.store_paths().database + part);
      return file.find(bytes) != std::string::npos;
    });
  };
  const std::string hexadecimal = s.fixture.sql("SELECT hex(sealed_keys) FROM session");
  const Bytes keys = test::from_hex(hexadecimal).value();
  const std::string first(text_of(keys));
  BOOST_TEST(lies_in_a_file(first));
  Gateway& gateway = s.fixture.gateway();
  gateway.do_housekeeping(s.fixture.now, false);
  s.peer.handshake();
  BOOST_TEST(s.peer.send().status == "accepted");
  BOOST_TEST(lies_in_a_file(first), "the WAL still has them");
  BOOST_TEST(!gateway.is_housekeeping_done());
  gateway.do_housekeeping(s.fixture.now + Milliseconds{299'999}, false);
  BOOST_TEST(lies_in_a_file(first), "not yet");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{300'000}, false);
  BOOST_TEST(!lies_in_a_file(first));
  BOOST_TEST(gateway.is_housekeeping_done());
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

BOOST_AUTO_TEST_CASE(one_rollback_starts_one_epoch) {
  ClientInSession s;
  // Two processes have the same proof at the same moment: whoever is second finds the epoch gone.
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
                        Bytes{1},
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
