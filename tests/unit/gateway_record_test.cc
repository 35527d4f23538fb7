// Records at the gateway: what is accepted, forbidden, malformed or rejected (PROTOCOL 6).
#define BOOST_TEST_MODULE gateway_record
#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/client_in_session.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;
using test::GatewayFixture;
using test::is_rejected;
using test::Peer;
using test::RoundTrip;

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

BOOST_AUTO_TEST_CASE(ping_is_accepted_undelivered_and_other_reserved_topics_have_no_route) {
  ClientInSession s;
  BOOST_TEST(s.peer.send("x", "sealpost/ping").status == "accepted");
  const Message reserved = s.peer.message("x", "sealpost/other");
  const RoundTrip exchange = s.peer.send(reserved);
  BOOST_TEST(exchange.status == "no_route");
  BOOST_TEST(exchange.receipt.next == 3U, "the counter is used");
  BOOST_TEST(s.peer.send(reserved).status == "no_route");
  BOOST_TEST(s.peer.send("x", "sealpost/").status == "no_route");
  BOOST_TEST(s.fixture.inbox().empty());
  BOOST_TEST(s.peer.send("x", "sealpost").status == "accepted");
}

BOOST_AUTO_TEST_CASE(revocation_deletes_session_and_renewal_without_grace_answers_revoked) {
  ClientInSession s;
  s.fixture.sql(
      "UPDATE client SET generation = 2");  // directly in the database: the session still exists
  const RoundTrip exchange = s.peer.send();
  BOOST_TEST(exchange.status == "revoked");
  BOOST_TEST(exchange.reply.status == 403);
  BOOST_TEST((exchange.receipt == Receipt{}));
  s.fixture.sql("DELETE FROM client");
  BOOST_TEST(s.peer.send().status == "revoked", "no row");

  ClientInSession renewed;
  (void)renewed.fixture.renewed(renewed.peer, Milliseconds(0));
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

}  // namespace
}  // namespace sealpost
