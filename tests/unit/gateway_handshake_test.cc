// Handshakes at the gateway: accepted, late, malformed, forbidden or rejected (PROTOCOL 5).
#define BOOST_TEST_MODULE gateway_handshake
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

BOOST_AUTO_TEST_CASE(handshake_starts_session) {
  for (const bool hmac_in_clear : {false, true}) {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.hmac_in_clear = hmac_in_clear;
    const RoundTrip hello = peer.handshake();
    BOOST_TEST(hello.reply.status == 200);
    BOOST_TEST(hello.reply.type == "application/octet-stream");
    BOOST_TEST(hello.status == "accepted");
    BOOST_TEST(hello.server_time == fixture.now);
    BOOST_TEST(peer.session->expires_at == fixture.now + 24 * kHour);
    BOOST_TEST(peer.session->max_body == 1U << 20);
    BOOST_TEST((peer.session->receipt == Receipt{}), "nothing counted yet: 24 zero bytes");
    BOOST_TEST(peer.send().status == "accepted");
  }
}

BOOST_AUTO_TEST_CASE(session_ends_no_later_than_claims) {
  GatewayFixture fixture;
  const std::uint64_t end = fixture.now.time_since_epoch() / kSecond + 3600;
  Peer peer = fixture.client("c", "r", {{"not_after", std::to_string(end)}});
  peer.handshake();
  BOOST_TEST(peer.session->expires_at == Time(end * kSecond));
  fixture.set(kSessionLife, "10m");
  peer.handshake();
  BOOST_TEST(peer.session->expires_at == fixture.now + 10 * kMinute);
}

BOOST_AUTO_TEST_CASE(unauthenticated_requests_get_one_answer_and_write_nothing) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string before = fixture.dump();
  const auto expect_rejected = [&](Peer unauthenticated, const char* why) {
    expect_plain(unauthenticated.handshake().reply, kRejected, why);
  };
  const auto changed = [&](auto change) {
    Peer unauthenticated(Credential::parse(peer.credential.json()), fixture.wire());
    unauthenticated.now = peer.now;
    change(unauthenticated.credential);
    return unauthenticated;
  };
  expect_rejected(changed([](Credential& c) { c.kid = 2; }), "a kid there is not");
  expect_rejected(changed([](Credential& c) { c.generation = 2; }),
                  "another generation, so another key");
  expect_rejected(changed([](Credential& c) { c.name = "client2"; }),
                  "another name, so another key");
  expect_rejected(changed([](Credential& c) { c.name = ".client"; }), "a name that is none");
  expect_rejected(changed([](Credential& c) { c.client_key.fill()[0] ^= 1; }), "another key");
  expect_rejected(changed([](Credential& c) { c.server_id.bytes[0] ^= 1; }), "another server");
  BOOST_TEST(fixture.dump() == before);
}

BOOST_AUTO_TEST_CASE(rejects_replayed_handshake_and_writes_nothing) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const RoundTrip hello = peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  const std::string before = fixture.dump();
  expect_plain(fixture.wire()(hello.form), kRejected, "at once");
  fixture.now += 59 * kSecond;
  expect_plain(fixture.wire()(hello.form), kRejected, "while it is fresh");
  BOOST_TEST(fixture.dump() == before);
  BOOST_TEST(peer.send().status == "accepted", "the client still works");

  // After 61 s it is late whether it is remembered or not, so it can never start a session again.
  fixture.now += 2 * kSecond;
  expect_plain(fixture.wire()(hello.form), kRejected, "late and remembered");
  fixture.now += 90 * kSecond;
  const test::Reply forgotten = fixture.wire()(hello.form);
  BOOST_TEST(forgotten.status == 409, "forgotten, and late");
  BOOST_TEST(fixture.sql("SELECT count(*) FROM session") == "1");
}

BOOST_AUTO_TEST_CASE(rejects_future_handshake_replayed_for_300_s) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const RoundTrip hello =
      peer.handshake(59'000);  // the latest time that is accepted; fresh for 119 s
  BOOST_TEST(hello.status == "accepted");
  for (int second = 0; second < 300; ++second) {
    fixture.now += kSecond;
    const test::Reply again = fixture.wire()(hello.form);
    BOOST_TEST(again.status != 200, "after " << second + 1 << " s");
  }
}

BOOST_AUTO_TEST_CASE(handshake_over_60_s_off_is_late_and_tells_server_time) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string before = fixture.dump();
  for (const std::int64_t shift : {60'001, -60'001, 86'400'000}) {
    const RoundTrip hello = peer.handshake(shift);
    BOOST_TEST(hello.status == "late", shift);
    BOOST_TEST(hello.reply.status == 409);
    BOOST_TEST(hello.server_time == fixture.now);
    BOOST_TEST(!peer.session.has_value());
  }
  BOOST_TEST(fixture.dump() == before, "nothing is written");
  BOOST_TEST(peer.handshake(60'000).status == "accepted");
  BOOST_TEST(peer.handshake(-60'000).status == "accepted");
}

// Sends a handshake with this payload and the right key, and returns the sealed status.
std::string shake_payload(GatewayFixture& fixture, const Peer& peer, ByteView payload,
                          bool hmac_in_clear = false) {
  Envelope envelope;
  envelope.name = peer.credential.name;
  if (hmac_in_clear) envelope.key_use_hmac = peer.credential.key_use_hmac;
  const Bytes header = Writer().u8(0x11).u8(1).u32(peer.credential.generation).take();
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(peer.credential.server_id)
                             .put(header)
                             .put(envelope.clear())
                             .take();
  crypto::NoiseInitiator noise(psk_of(peer.credential.client_key), prologue, crypto::random_key());
  envelope.message = Writer().put(header).put(noise.write(payload)).take();
  const test::Reply reply = fixture.wire()(envelope.form());
  if (reply.body.empty() || reply.body[0] != '\x91') return "";
  const auto finished = noise.read(bytes_of(reply.body).subspan(1));
  BOOST_REQUIRE(finished.has_value());
  return std::string(name_of(status_of(finished->payload.at(0)).value()));
}

Bytes payload(const Peer& peer, Time sent_at, const KeyUseHmac& hmac, bool with_hmac = true) {
  Writer writer;
  writer.time(sent_at).put(peer.install_nonce).put(Bytes(24)).lp16(peer.credential.claims.encode());
  writer.lp8(with_hmac ? ByteView(hmac) : ByteView());
  return writer.take();
}

BOOST_AUTO_TEST_CASE(malformed_payload_is_reported_unless_late) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const KeyUseHmac& hmac = peer.credential.key_use_hmac;
  const std::string before = fixture.dump();
  Bytes longer = payload(peer, fixture.now, hmac);
  longer.push_back(0);
  BOOST_TEST(shake_payload(fixture, peer, longer) == "malformed");
  BOOST_TEST(shake_payload(fixture, peer, {}) == "malformed");
  BOOST_TEST(shake_payload(fixture, peer, Bytes(7)) == "malformed");
  BOOST_TEST(shake_payload(fixture, peer, Bytes(8)) == "late");
  BOOST_TEST(shake_payload(fixture, peer, payload(peer, fixture.now, hmac, false)) == "malformed");
  BOOST_TEST(shake_payload(fixture, peer, payload(peer, fixture.now, hmac), true) == "malformed");
  BOOST_TEST(fixture.dump() == before);
  BOOST_TEST(shake_payload(fixture, peer, payload(peer, fixture.now, hmac, false), true) ==
             "accepted");
}

BOOST_AUTO_TEST_CASE(forged_claims_are_forbidden) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string before = fixture.dump();
  peer.credential.claims = *Claims::of({{"role", "operator"}});
  RoundTrip hello = peer.handshake();
  BOOST_TEST(hello.status == "forbidden");
  BOOST_TEST(hello.reply.status == 403);
  peer.credential.claims = *Claims::of({{"role", "sensor"}, {"site", "x"}});
  BOOST_TEST(peer.handshake().status == "forbidden", "a claim more");
  BOOST_TEST(fixture.dump() == before);
}

BOOST_AUTO_TEST_CASE(claims_outside_their_validity_are_forbidden) {
  GatewayFixture fixture;
  const std::uint64_t seconds = fixture.now.time_since_epoch() / kSecond;
  Peer later = fixture.client("later", "r", {{"not_before", std::to_string(seconds + 100)}});
  BOOST_TEST(later.handshake().status == "forbidden");
  Peer ended = fixture.client("ended", "r", {{"not_after", std::to_string(seconds)}});
  BOOST_TEST(ended.handshake().status == "forbidden");
  fixture.now += 100 * kSecond;
  BOOST_TEST(later.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(revoked_removed_and_older_generations_are_rejected) {
  GatewayFixture fixture;
  Peer first = fixture.client();
  Peer second = fixture.renewed(first, Milliseconds(0));
  const RoundTrip hello = first.handshake();
  BOOST_TEST(hello.status == "revoked", "a generation below its row's");
  BOOST_TEST(hello.reply.status == 403);
  BOOST_TEST(second.handshake().status == "accepted");

  Database database = fixture.database();
  Clients clients(database);
  clients.revoke("client1", fixture.now);
  BOOST_TEST(second.handshake().status == "revoked", "revoked");
  Peer third = fixture.renewed(second);
  BOOST_TEST(third.handshake().status == "accepted", "issued anew");
  clients.remove("client1", fixture.now);
  BOOST_TEST(third.handshake().status == "revoked", "no row");
  Peer again = fixture.client();
  BOOST_TEST(again.credential.generation > third.credential.generation,
             "generations never go back");
  BOOST_TEST(third.handshake().status == "revoked");
  BOOST_TEST(again.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(handshake_returns_next_counter_of_installation) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send();
  peer.next = 10;
  const RoundTrip sent = peer.send();
  BOOST_TEST(sent.receipt.next == 11U);
  const RoundTrip hello = peer.handshake();
  BOOST_TEST((hello.receipt == sent.receipt));
  peer.install_nonce = InstallNonce{1};
  peer.receipt = {};
  BOOST_TEST((peer.handshake().receipt == Receipt{}), "another installation");
}

BOOST_AUTO_TEST_CASE(rejects_point_of_small_order_without_remembering_it) {
  GatewayFixture fixture;
  const Peer peer = fixture.client();
  Envelope envelope;
  envelope.name = "client1";
  const Bytes header = Writer().u8(0x11).u8(1).u32(1).take();
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(peer.credential.server_id)
                             .put(header)
                             .put(envelope.clear())
                             .take();
  const crypto::PublicKey zero{};
  crypto::NoiseState state(prologue);
  state.mix_key_and_hash(psk_of(peer.credential.client_key));
  state.mix_hash(zero);
  state.mix_key(zero);
  envelope.message = Writer().put(header).put(zero).take();
  state.encrypt_and_hash(payload(peer, fixture.now, peer.credential.key_use_hmac),
                         envelope.message);
  const std::string before = fixture.dump();
  expect_plain(fixture.wire()(envelope.form()), kRejected, "all zero");
  BOOST_TEST(fixture.dump() == before);
}

}  // namespace
}  // namespace sealpost
