// PROTOCOL 4 and 5, row by row, against a gateway in this process with a clock of the test's.
#define BOOST_TEST_MODULE gateway_handshake
#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/gateway_fixture.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::RoundTrip;

struct PlainAnswer {
  int status;
  const char* body;
};

void expect_plain(const test::Reply& reply, const PlainAnswer& expected, const std::string& why) {
  BOOST_TEST(reply.status == expected.status, why);
  BOOST_TEST(reply.body == expected.body, why);
  BOOST_TEST(reply.type == "text/plain", why);
}

constexpr PlainAnswer kRejected{403, "refused\n"};

BOOST_AUTO_TEST_CASE(checks_http_rules_in_order_first) {
  GatewayFixture fixture;
  const std::string form = "encrypted_message=EQE";
  Request all_wrong = GatewayFixture::request("no form");
  all_wrong.method = "PUT";
  all_wrong.content_type = "text/plain";
  all_wrong.body_too_large = true;
  all_wrong.body_cut = true;
  expect_plain(fixture.post(all_wrong), {405, "post only\n"}, "method first");
  all_wrong.method = "POST";
  expect_plain(fixture.post(all_wrong), {415, "type\n"}, "then the media type");
  all_wrong.content_type = "application/x-www-form-urlencoded";
  expect_plain(fixture.post(all_wrong), {413, "too large\n"}, "then the size");
  all_wrong.body_too_large = false;
  expect_plain(fixture.post(all_wrong), {400, "form\n"}, "then whether it is whole");
  all_wrong.body_cut = false;
  expect_plain(fixture.post(all_wrong), {400, "form\n"}, "then the form");

  Request encoded = GatewayFixture::request(form);
  encoded.has_content_encoding = true;
  expect_plain(fixture.post(encoded), {415, "type\n"}, "a Content-Encoding");
  Request untyped = GatewayFixture::request(form);
  untyped.content_type.reset();
  expect_plain(fixture.post(untyped), {415, "type\n"}, "no media type");
  Request shorter = GatewayFixture::request(form);
  shorter.announced = form.size() + 1;
  expect_plain(fixture.post(shorter), {400, "form\n"}, "shorter than announced");
  Request unannounced = GatewayFixture::request(form);
  unannounced.announced.reset();
  expect_plain(fixture.post(unannounced), kRejected, "a chunked body announces nothing");
}

BOOST_AUTO_TEST_CASE(answer_has_required_headers) {
  const Response post_only{405, "post only\n", false};
  BOOST_TEST(post_only.head().find("Allow: POST\r\n") != std::string::npos);
  BOOST_TEST(post_only.head().find("Status: 405 ") == 0U);
  const Response sealed{200, "\x92", true};
  BOOST_TEST(sealed.head() ==
             "Status: 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n"
             "Cache-Control: no-store\r\n\r\n");
  const Response plain{403, "refused\n", false};
  BOOST_TEST(plain.head().find("Content-Type: text/plain\r\n") != std::string::npos);
  BOOST_TEST(plain.head().find("Cache-Control: no-store\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(invalid_home_answers_503_after_form_check) {
  GatewayFixture fixture;
  fixture.set(kHome, "/nowhere/at/all");
  expect_plain(fixture.post(GatewayFixture::request("no form")), {400, "form\n"},
               "the form comes first");
  expect_plain(fixture.post(GatewayFixture::request("encrypted_message=EQE")),
               {503, "unavailable\n"}, "then 503");
  BOOST_TEST(fixture.log().find("sealpost init") != std::string::npos, fixture.log());
  fixture.set(kHome, "");
  expect_plain(fixture.post(GatewayFixture::request("encrypted_message=EQE")),
               {503, "unavailable\n"}, "not set");
  BOOST_TEST(fixture.log().find("SEALPOST_HOME is not set") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rejects_unknown_first_byte) {
  GatewayFixture fixture;
  for (const Bytes& message :
       {Bytes{0x00}, Bytes{0x13}, Bytes{0x91}, Bytes{0x11}, Bytes{0x12}, Bytes(2000)}) {
    Envelope envelope;
    envelope.name = "client1";
    envelope.message = message;
    expect_plain(fixture.post(GatewayFixture::request(envelope.form())), kRejected, hex(message));
  }
}

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
  const auto refused = [&](Peer stranger, const char* why) {
    expect_plain(stranger.handshake().reply, kRejected, why);
  };
  const auto changed = [&](auto change) {
    Peer stranger(Credential::parse(peer.credential.json()), fixture.wire());
    stranger.now = peer.now;
    change(stranger.credential);
    return stranger;
  };
  refused(changed([](Credential& c) { c.kid = 2; }), "a kid there is not");
  refused(changed([](Credential& c) { c.generation = 2; }), "another generation, so another key");
  refused(changed([](Credential& c) { c.name = "client2"; }), "another name, so another key");
  refused(changed([](Credential& c) { c.name = ".client"; }), "a name that is none");
  refused(changed([](Credential& c) { c.client_key.fill()[0] ^= 1; }), "another key");
  refused(changed([](Credential& c) { c.server_id.bytes[0] ^= 1; }), "another server");
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

  // After 61 s it is late, whether it is remembered or not: at no time can it begin a session
  // again.
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
  const RoundTrip hello = peer.handshake(59'000);  // as late as may be: fresh for 119 s
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

// A handshake whose payload is `payload`, from a holder of the key; the sealed status.
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

BOOST_AUTO_TEST_CASE(revoked_removed_and_former_generations_are_rejected) {
  GatewayFixture fixture;
  Peer first = fixture.client();
  Peer second = fixture.renewed(first);
  const RoundTrip hello = first.handshake();
  BOOST_TEST(hello.status == "revoked", "a generation below its row's");
  BOOST_TEST(hello.reply.status == 403);
  BOOST_TEST(second.handshake().status == "accepted");

  Database database = fixture.database();
  Clients tracker(database);
  tracker.revoke("client1", fixture.now);
  BOOST_TEST(second.handshake().status == "revoked", "revoked");
  Peer third = fixture.renewed(second);
  BOOST_TEST(third.handshake().status == "accepted", "issued anew");
  tracker.remove("client1", fixture.now);
  BOOST_TEST(third.handshake().status == "revoked", "no row");
  Peer again = fixture.client();
  BOOST_TEST(again.credential.generation > third.credential.generation,
             "generations never go back");
  BOOST_TEST(third.handshake().status == "revoked");
  BOOST_TEST(again.handshake().status == "accepted");
}

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
