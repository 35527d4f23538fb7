// PROTOCOL 6 and 7, row by row, against a gateway in this process with a clock of the test's.
#define BOOST_TEST_MODULE gateway_record
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "store/backup.h"
#include "store/sqlite_store.h"
#include "support/hex.h"
#include "support/house.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::Exchange;
using test::Peer;
using test::TestHouse;

// A house with one client in an active session: it has sent a ping, counter 0.
struct Started {
  TestHouse house;
  Peer peer = house.client();

  Started() {
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  // A second handle on the same client: same credential, same installation, another session.
  [[nodiscard]] Peer twin() const {
    Peer other(Credential::parse(peer.credential.json()), peer.wire);
    other.now = peer.now;
    other.install_nonce = peer.install_nonce;
    other.receipt = peer.receipt;
    other.next = peer.next;
    other.handshake();
    return other;
  }
};

bool is_refused(const test::Reply& reply) {
  return reply.status == 403 && reply.body == "refused\n" && reply.type == "text/plain";
}

BOOST_AUTO_TEST_CASE(an_accepted_message_lies_in_the_inbox_as_it_was_sent) {
  Started s;
  s.house.now += Milliseconds{1234};
  const Message message = s.peer.message(std::string("21.5\0C", 6), "telemetry/room");
  const Exchange sent = s.peer.send(message, -5);
  BOOST_TEST(sent.status == "accepted");
  BOOST_TEST(sent.reply.status == 200);
  BOOST_TEST(sent.server_time == s.house.now);
  BOOST_TEST(sent.receipt.next == 2U);
  BOOST_TEST(sent.body.empty());
  const auto rows = s.house.inbox();
  BOOST_REQUIRE(rows.size() == 1U);  // the ping was delivered nowhere
  BOOST_TEST(rows[0].name == "client1");
  BOOST_TEST(rows[0].topic == "telemetry/room");
  BOOST_TEST(rows[0].claims == R"({"role":"sensor"})");
  BOOST_TEST(rows[0].body == message.body, boost::test_tools::per_element());
  BOOST_TEST(rows[0].received_at == s.house.now);
  BOOST_TEST(rows[0].sent_at == s.house.now - Milliseconds{5});
  BOOST_TEST(rows[0].install_nonce == s.peer.install_nonce);
  BOOST_TEST(rows[0].counter == 1U);
  BOOST_TEST(rows[0].message_id == message.id);
  BOOST_TEST(rows[0].digest == message.digest());
}

BOOST_AUTO_TEST_CASE(every_form_of_clear_fields_is_taken) {
  Started s;
  for (const bool name : {false, true}) {
    for (const bool hmac : {false, true}) {
      s.peer.name_in_clear = name;
      s.peer.hmac_in_clear = hmac;
      BOOST_TEST(s.peer.send().status == "accepted", name << hmac);
    }
  }
  BOOST_TEST(s.house.inbox().size() == 4U);
}

BOOST_AUTO_TEST_CASE(an_empty_body_is_a_message_too) {
  Started s;
  BOOST_TEST(s.peer.send("").status == "accepted");
  BOOST_REQUIRE(s.house.inbox().size() == 1U);
  BOOST_TEST(s.house.inbox()[0].body.empty());
}

BOOST_AUTO_TEST_CASE(strangers_get_one_answer_and_leave_no_trace_in_the_database) {
  Started s;
  const std::string before = s.house.dump();
  const Envelope good = s.peer.seal(s.peer.message());
  for (std::size_t i = 0; i < good.message.size(); ++i) {
    Envelope changed = good;
    changed.message[i] ^= 1;
    BOOST_TEST(is_refused(s.house.wire()(changed.form())), "byte " << i);
  }
  Envelope named = good;
  named.name = "client1";
  BOOST_TEST(is_refused(s.house.wire()(named.form())), "a name that was not sealed in");
  for (const std::size_t size : {1U, 40U, 41U, 56U, 57U}) {
    Envelope cut = good;
    cut.message.resize(size);
    BOOST_TEST(is_refused(s.house.wire()(cut.form())), size << " bytes");
  }
  BOOST_TEST(s.house.dump() == before);
  BOOST_TEST(s.house.wire()(good.form()).status == 200, "the unchanged one is taken");
}

BOOST_AUTO_TEST_CASE(a_name_in_clear_must_be_the_sessions) {
  Started s;
  s.peer.name_in_clear = true;
  s.peer.credential.name = "client2";
  BOOST_TEST(is_refused(s.peer.send().reply));  // well sealed, with that name bound in
  s.peer.credential.name = "client1";
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_counter_of_2_to_the_63_is_a_strangers) {
  Started s;
  s.peer.next = kCounterEnd;
  BOOST_TEST(is_refused(s.peer.send().reply));
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

BOOST_AUTO_TEST_CASE(a_plaintext_of_another_shape_is_malformed_and_uses_no_counter) {
  Started s;
  const std::string before = s.house.dump();
  const auto status = [&](const Bytes& bytes) {
    const Exchange exchange = s.peer.post(s.peer.seal_plaintext(s.peer.next, bytes));
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
  BOOST_TEST(s.house.dump() == before);
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(claims_that_were_not_issued_are_forbidden_and_use_no_counter) {
  Started s;
  const std::string before = s.house.dump();
  const Claims issued = s.peer.credential.claims;
  s.peer.credential.claims = *Claims::of({{"role", "operator"}});
  const Exchange exchange = s.peer.send(s.peer.message());
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.reply.status == 403);
  BOOST_TEST((exchange.receipt == Receipt{}));
  BOOST_TEST(s.house.dump() == before);
  s.peer.credential.claims = issued;
  --s.peer.next;
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(the_same_bytes_again_are_a_duplicate_and_act_once) {
  Started s;
  const Message message = s.peer.message();
  const Envelope envelope = s.peer.seal(message);
  BOOST_TEST(s.peer.post(envelope).status == "accepted");
  const std::string before = s.house.dump();
  for (int i = 0; i < 3; ++i) {
    const Exchange again = s.peer.post(envelope);
    BOOST_TEST(again.status == "duplicate");
    BOOST_TEST(again.reply.status == 409);
    BOOST_TEST(again.receipt.next == 2U);
  }
  BOOST_TEST(s.house.dump() == before, "not a byte is written");
  s.house.restart();
  BOOST_TEST(s.peer.post(envelope).status == "duplicate", "after a restart");
  BOOST_TEST(s.house.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_sealed_anew_and_in_another_session_is_the_same_message) {
  Started s;
  const Message message = s.peer.message();
  BOOST_TEST(s.peer.send(message).status == "accepted");
  BOOST_TEST(s.peer.send(message).status == "duplicate", "sealed anew");
  Peer twin = s.twin();
  BOOST_TEST(twin.send(message).status == "duplicate", "in another session");
  BOOST_TEST(is_refused(s.peer.send(message).reply), "the first session is over");
  BOOST_TEST(s.house.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_used_counter_with_another_message_is_a_conflict_and_alarms_once_an_hour) {
  Started s;
  const Message message = s.peer.message("one");
  BOOST_TEST(s.peer.send(message).status == "accepted");
  const auto alarms = [&] {
    const std::string log = s.house.log();
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find("\"alarm\":\"conflict\"", at)) != std::string::npos;
         ++at)
      ++count;
    return count;
  };
  const auto conflict = [&](Message other) {
    other.counter = message.counter;
    const Exchange exchange = s.peer.send(other);
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
  s.house.now += kHour + Milliseconds{1};
  conflict(other);
  BOOST_TEST(alarms() == 2U);
  BOOST_TEST(s.house.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(counters_may_come_in_any_order_within_the_window) {
  Started s;
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

BOOST_AUTO_TEST_CASE(what_is_below_the_window_is_too_old_even_if_its_row_is_there) {
  Started s;
  const Message message = s.peer.message();
  const Envelope envelope = s.peer.seal(message);
  BOOST_TEST(s.peer.post(envelope).status == "accepted");
  s.peer.next = message.counter + kWindow;
  s.peer.send();
  const Exchange again = s.peer.post(envelope);
  BOOST_TEST(again.status == "too_old");
  BOOST_TEST(again.reply.status == 409);
  BOOST_TEST(s.house.inbox().size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_new_message_from_another_time_is_late_and_leaves_its_counter_unused) {
  Started s;
  const Message message = s.peer.message();
  for (const std::int64_t shift : {300'001, -300'001}) {
    const Exchange exchange = s.peer.send(message, shift);
    BOOST_TEST(exchange.status == "late");
    BOOST_TEST(exchange.reply.status == 409);
    BOOST_TEST((exchange.receipt == Receipt{}));
  }
  BOOST_TEST(s.house.inbox().empty());
  BOOST_TEST(s.peer.send(message, 300'000).status == "accepted",
             "the same message, sealed at another time");
  BOOST_TEST(s.peer.send(message, 300'001).status == "duplicate",
             "lateness is only asked of new ones");
  BOOST_TEST(s.peer.send(s.peer.message(), -300'000).status == "accepted");
}

BOOST_AUTO_TEST_CASE(the_tolerance_is_a_setting_and_0_is_any) {
  Started s;
  s.house.set(kTolerance, "10s");
  BOOST_TEST(s.peer.send(s.peer.message(), -10'001).status == "late");
  s.house.set(kTolerance, "0");
  BOOST_TEST(s.peer.send(s.peer.message(), -86'400'000).status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_late_first_record_still_makes_its_session_active) {
  Started s;
  Peer twin = s.twin();
  BOOST_TEST(twin.send(twin.message(), 1'000'000).status == "late");
  BOOST_TEST(is_refused(s.peer.send().reply), "step 6 was passed");
}

BOOST_AUTO_TEST_CASE(claims_that_end_are_forbidden_for_good_and_use_the_counter) {
  TestHouse house;
  const std::uint64_t end = house.now.time_since_epoch() / kSecond + 100;
  Peer peer = house.client("c", "r", {{"not_after", std::to_string(end)}});
  peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  house.sql(
      "UPDATE session SET live_until = live_until + 1000000, expires_at = expires_at + 1000000");
  house.now = Time(end * kSecond);
  const Message message = peer.message();
  const Exchange exchange = peer.send(message);
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.receipt.next == 2U, "the counter is used");
  house.now -= 10 * kSecond;  // even if the rules change back
  BOOST_TEST(peer.send(message).status == "forbidden", "the same bytes cannot act later");
  Message other = message;
  other.id.bytes[0] ^= 1;
  BOOST_TEST(peer.send(other).status == "conflict");
  BOOST_TEST(house.inbox().size() == 1U);
}

BOOST_AUTO_TEST_CASE(ping_is_admitted_and_delivered_nowhere_and_its_neighbours_are_forbidden) {
  Started s;
  BOOST_TEST(s.peer.send("x", "sealpost/ping").status == "accepted");
  const Message reserved = s.peer.message("x", "sealpost/other");
  const Exchange exchange = s.peer.send(reserved);
  BOOST_TEST(exchange.status == "forbidden");
  BOOST_TEST(exchange.receipt.next == 3U, "the counter is used");
  BOOST_TEST(s.peer.send(reserved).status == "forbidden");
  BOOST_TEST(s.peer.send("x", "sealpost/").status == "forbidden");
  BOOST_TEST(s.house.inbox().empty());
  BOOST_TEST(s.peer.send("x", "sealpost").status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_revoked_clients_session_is_gone_and_a_raised_generation_is_said) {
  Started s;
  s.house.sql(
      "UPDATE client SET generation = 2");  // behind everybody's back: the session is still there
  const Exchange exchange = s.peer.send();
  BOOST_TEST(exchange.status == "revoked");
  BOOST_TEST(exchange.reply.status == 403);
  BOOST_TEST((exchange.receipt == Receipt{}));
  s.house.sql("DELETE FROM client");
  BOOST_TEST(s.peer.send().status == "revoked", "no row");

  Started renewed;
  (void)renewed.house.renewed(renewed.peer);
  BOOST_TEST(renewed.peer.send().status == "revoked", "a generation below its row's");

  Started other;
  Database database = other.house.database();
  Clients(database).revoke("client1", other.house.now);
  BOOST_TEST(is_refused(other.peer.send().reply), "revoking deletes the sessions");
}

BOOST_AUTO_TEST_CASE(every_answer_to_a_used_counter_carries_the_present_receipt) {
  Started s;
  const Message first = s.peer.message();
  const Receipt one = s.peer.send(first).receipt;
  const Receipt two = s.peer.send().receipt;
  BOOST_TEST(one.next == 2U);
  BOOST_TEST(two.next == 3U);
  BOOST_TEST((s.peer.send(first).receipt == two));
  const auto rows = s.house.sql("SELECT hex(epoch) FROM server");
  const auto epoch = test::from_hex(rows).value();
  Reader reader(epoch);
  const Keyring ring = s.house.home.keyring();
  BOOST_TEST(is_genuine(two, ring.receipt_key(1), reader.id<Epoch>(),
                        {"client1", 1, s.peer.install_nonce}));
}

BOOST_AUTO_TEST_CASE(answers_belong_to_their_own_request) {
  Started s;
  const Envelope one = s.peer.seal(s.peer.message());
  const Envelope two = s.peer.seal(s.peer.message());
  const test::Reply answer = s.house.wire()(one.form());
  BOOST_TEST(static_cast<bool>(
      open_answer(s.peer.keys->s2c, crypto::sha256({one.message}), bytes_of(answer.body))));
  BOOST_TEST(!open_answer(s.peer.keys->s2c, crypto::sha256({two.message}), bytes_of(answer.body)));
}

BOOST_AUTO_TEST_CASE(a_batch_is_answered_in_its_order_and_nobody_spoils_it_for_the_others) {
  Started s;
  Peer other = s.house.client("client2");
  other.handshake();
  const Message same = s.peer.message("same");
  std::vector<Request> batch;
  const auto add = [&](const std::string& form) { batch.push_back(TestHouse::request(form)); };
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
  for (const Handled& one : s.house.gateway().handle(batch, s.house.now)) {
    statuses.push_back(one.response->status);
  }
  const std::vector<int> expected = {200, 400, 409, 200, 403, 409, 200};
  BOOST_TEST(statuses == expected, boost::test_tools::per_element());
  std::vector<std::string> bodies;
  for (const auto& row : s.house.inbox()) bodies.emplace_back(text_of(row.body));
  const std::vector<std::string> stored = {"same", "other", "last"};
  BOOST_TEST(bodies == stored, boost::test_tools::per_element());
}

// --- Rollback (PROTOCOL 7) ---

std::string epoch_of(const TestHouse& house) { return house.sql("SELECT hex(epoch) FROM server"); }

// The database as it is now, to be put back later behind everybody's back.
struct Copy {
  explicit Copy(TestHouse& of) : house(of) {
    Database database = house.database();
    back_up(database, file);
  }
  void put_back() const {
    house.restart();
    for (const char* part : {"", "-wal", "-shm"}) {
      std::filesystem::remove(house.home.store_paths().database + part);
    }
    std::filesystem::copy_file(file, house.home.store_paths().database);
    house.restart();
  }
  TestHouse& house;
  std::string file = house.folder / "copy.db";
};

BOOST_AUTO_TEST_CASE(
    a_handshake_with_a_later_receipt_proves_a_rollback_and_old_messages_stay_refused) {
  Started s;
  const Copy copy(s.house);
  const Envelope after_copy = s.peer.seal(s.peer.message("once"));
  BOOST_TEST(s.peer.post(after_copy).status == "accepted");
  const std::string epoch = epoch_of(s.house);
  copy.put_back();

  const Exchange hello = s.peer.handshake();
  BOOST_TEST(is_refused(hello.reply), "the proof itself is answered as a stranger's");
  BOOST_TEST(epoch_of(s.house) != epoch);
  BOOST_TEST(s.house.sql("SELECT epoch_reason FROM server") == "rollback");
  BOOST_TEST(s.house.log().find("\"alarm\":\"rollback\"") != std::string::npos);
  BOOST_TEST(is_refused(s.house.wire()(after_copy.form())), "no session is left to replay into");

  const Exchange again = s.peer.handshake();
  BOOST_TEST(again.status == "accepted", "the receipt of the old epoch is ignored");
  BOOST_TEST(hex(s.peer.session->epoch) != epoch);
  BOOST_TEST(s.peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_record_with_a_later_receipt_proves_a_rollback_and_the_whole_batch_waits) {
  Started s;
  Peer other = s.house.client("client2");
  other.handshake();
  BOOST_TEST(other.send().status == "accepted");
  // A backup leaves sessions out, but a plain copy of the file would not: put them back too.
  s.house.sql("CREATE TABLE kept AS SELECT * FROM session");
  const Copy copy(s.house);
  BOOST_TEST(s.peer.send().status == "accepted");
  const std::string epoch = epoch_of(s.house);
  copy.put_back();
  s.house.sql("INSERT INTO session SELECT * FROM kept");

  std::vector<Request> batch;
  batch.push_back(TestHouse::request(other.seal(other.message("innocent")).form()));
  batch.push_back(TestHouse::request(s.peer.seal(s.peer.message("proof")).form()));
  for (const Handled& one : s.house.gateway().handle(batch, s.house.now)) {
    BOOST_TEST(one.response->status == 403);
    BOOST_TEST(one.response->body == "refused\n");
  }
  BOOST_TEST(epoch_of(s.house) != epoch);
  BOOST_TEST(s.house.sql("SELECT count(*) FROM session") == "0");
  BOOST_TEST(s.house.inbox().size() == 1U, "nothing of the batch was stored");
  BOOST_TEST(other.handshake().status == "accepted");
  --other.next;
  BOOST_TEST(other.send("innocent").status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_receipt_that_is_not_genuine_is_ignored) {
  Started s;
  const std::string epoch = epoch_of(s.house);
  s.peer.receipt.next += 1000;
  BOOST_TEST(s.peer.send().status == "accepted", "raised by hand");
  s.peer.receipt = Receipt{1U << 30, {1, 2, 3}};
  BOOST_TEST(s.peer.handshake().status == "accepted", "made up");
  BOOST_TEST(epoch_of(s.house) == epoch);
}

BOOST_AUTO_TEST_CASE(an_unknown_installation_with_a_genuine_receipt_proves_a_rollback_too) {
  TestHouse house;
  Peer peer = house.client();
  const Copy copy(house);
  peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  const std::string epoch = epoch_of(house);
  copy.put_back();
  BOOST_TEST(is_refused(peer.handshake().reply));
  BOOST_TEST(epoch_of(house) != epoch);
}

BOOST_AUTO_TEST_CASE(a_rolled_back_database_takes_over_what_the_file_of_issues_says) {
  Started s;
  Peer revoked = s.house.client("client2");
  const Copy copy(s.house);
  BOOST_TEST(s.peer.send().status == "accepted");
  {
    Database database = s.house.database();
    Clients(database).revoke("client2", s.house.now);
  }
  Peer late = s.house.client("client3");
  copy.put_back();
  BOOST_TEST(late.handshake().status == "revoked", "the old copy has no row for it");
  BOOST_TEST(is_refused(s.peer.handshake().reply));  // the proof
  BOOST_TEST(revoked.handshake().status == "revoked");
  BOOST_TEST(late.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_restored_backup_begins_a_new_epoch_and_clients_recover) {
  Started s;
  const Copy copy(s.house);
  BOOST_TEST(s.peer.send("lost").status == "accepted");
  const std::string epoch = epoch_of(s.house);
  restore(s.house.home.store_paths(), s.house.home.server_id(), copy.file, s.house.now);
  BOOST_TEST(epoch_of(s.house) != epoch);
  BOOST_TEST(is_refused(s.peer.send().reply), "the running gateway sees it at once");
  BOOST_TEST(s.peer.handshake().status == "accepted");
  BOOST_TEST(s.peer.send("after").status == "accepted");
}

// --- What is said of all this ---

BOOST_AUTO_TEST_CASE(each_request_has_one_line_in_the_log_and_no_secret_in_it) {
  Started s;
  s.peer.send("a body nobody should read", "telemetry/room");
  s.house.wire()("garbage");
  s.house.wire()("encrypted_message=EgEC");
  std::istringstream lines(s.house.log());
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
  BOOST_TEST(sent["number"] == s.house.inbox()[0].number);
  BOOST_TEST(sent.contains("us"));
  BOOST_TEST(sent["time"] == iso_time(s.house.now));
  BOOST_TEST(entries[3]["outcome"] == "rejected");
  BOOST_TEST(entries[3]["reason"] == "form");
  BOOST_TEST(!entries[3].contains("name"));
  BOOST_TEST(entries[4]["reason"] == "record_length");
  BOOST_TEST((entries[3]["id"] != entries[4]["id"]));

  const std::string log = s.house.log();
  BOOST_TEST(log.find("nobody should read") == std::string::npos);
  for (const ByteView secret :
       {ByteView(s.peer.credential.client_key.reveal()), ByteView(s.peer.keys->c2s.reveal()),
        ByteView(s.peer.keys->s2c.reveal()), ByteView(s.peer.credential.key_use_hmac)}) {
    BOOST_TEST(log.find(base64url(secret)) == std::string::npos);
    BOOST_TEST(log.find(hex(secret)) == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(refusals_are_counted_and_written_at_most_every_ten_seconds) {
  Started s;
  s.house.wire()("garbage");
  s.house.wire()("garbage");
  const Message message = s.peer.message();
  s.peer.send(message);
  s.peer.send(message);
  const std::string before = s.house.dump();
  Gateway& gateway = s.house.gateway();
  const auto count = [&](const char* name, const char* outcome) {
    return s.house.sql(std::string("SELECT count FROM tally WHERE name = '") + name +
                       "' AND outcome = '" + outcome + "'");
  };
  gateway.tidy(s.house.now, false);
  BOOST_TEST(count("", "form") == "2");
  BOOST_TEST(count("client1", "duplicate") == "1");
  s.house.wire()("garbage");
  gateway.tidy(s.house.now + Milliseconds{9'999}, false);
  BOOST_TEST(count("", "form") == "2", "not yet");
  gateway.tidy(s.house.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "2", "strangers alone write nothing");
  s.peer.send();
  gateway.tidy(s.house.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "3");
  s.house.wire()("garbage");
  gateway.tidy(s.house.now + Milliseconds{10'001}, true);
  BOOST_TEST(count("", "form") == "4", "at exit");

  Database database = s.house.database();
  std::int64_t accepted = 0;
  for (const StatsRow& row : Inbox(database).stats()) {
    if (row.outcome == "accepted") accepted += row.count;
  }
  BOOST_TEST(accepted == 3, "the ping and two messages");
}

BOOST_AUTO_TEST_CASE(no_key_of_a_session_that_has_ended_is_left_in_any_file) {
  Started s;
  const auto lies_in_a_file = [&](const std::string& bytes) {
    const auto parts = {"", "-wal", "-shm"};
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) {
      const std::string file = test::read_text(s.house.home.store_paths().database + part);
      return file.find(bytes) != std::string::npos;
    });
  };
  const std::string hexadecimal = s.house.sql("SELECT hex(sealed_keys) FROM session");
  const Bytes keys = test::from_hex(hexadecimal).value();
  const std::string first(text_of(keys));
  BOOST_TEST(lies_in_a_file(first));
  Gateway& gateway = s.house.gateway();
  gateway.tidy(s.house.now, false);
  s.peer.handshake();
  BOOST_TEST(s.peer.send().status == "accepted");
  BOOST_TEST(lies_in_a_file(first), "the WAL still has them");
  BOOST_TEST(!gateway.is_tidy());
  gateway.tidy(s.house.now + Milliseconds{299'999}, false);
  BOOST_TEST(lies_in_a_file(first), "not yet");
  gateway.tidy(s.house.now + Milliseconds{300'000}, false);
  BOOST_TEST(!lies_in_a_file(first));
  BOOST_TEST(gateway.is_tidy());
}

BOOST_AUTO_TEST_CASE(the_same_message_again_writes_not_a_byte) {
  Started s;
  const Message message = s.peer.message();
  s.peer.send(message);
  const auto files = [&] {
    std::string all;
    for (const char* part : {"", "-wal"})
      all += test::read_text(s.house.home.store_paths().database + part);
    return crypto::sha256({bytes_of(all)});
  };
  const auto before = files();
  for (int i = 0; i < 3; ++i) BOOST_TEST(s.peer.send(message).status == "duplicate");
  BOOST_TEST((files() == before));
}

BOOST_AUTO_TEST_CASE(one_rollback_begins_one_epoch) {
  Started s;
  // Two processes have the same proof at the same moment: whoever is second finds the epoch gone.
  Home& home = s.house.home;
  const Keyring ring = home.keyring();
  const auto store_with_proof = [&] {
    return std::make_unique<SqliteStore>(home.store_paths(), home.server_id());
  };
  const auto one = store_with_proof();
  const Installation who{"client1", 1, s.peer.install_nonce};
  const Bytes epoch_bytes = test::from_hex(s.house.sql("SELECT hex(epoch) FROM server")).value();
  Epoch epoch;
  std::copy(epoch_bytes.begin(), epoch_bytes.end(), epoch.bytes.begin());
  const Receipt proof = make_receipt(ring.receipt_key(1), epoch, who, 99);
  const auto begin = [&](Store& store, std::uint8_t handshake) {
    return store
        .start_session({{SessionId{handshake}, 1, who},
                        Bytes{1},
                        crypto::Digest{handshake},
                        proof,
                        s.house.now + kHour},
                       ring, s.house.now)
        .verdict;
  };
  BOOST_TEST((begin(*one, 1) == SessionStart::Verdict::kRolledBack));
  const std::string after = epoch_of(s.house);
  BOOST_TEST((begin(*store_with_proof(), 2) == SessionStart::Verdict::kStarted), "it is void now");
  BOOST_TEST(epoch_of(s.house) == after);
}

}  // namespace
}  // namespace sealpost
