#define BOOST_TEST_MODULE handshake
#include "protocol/handshake.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/print.h"

namespace sealpost {
namespace {

Keyring ring() {
  Keyring keyring(ServerId{1});
  keyring.add(1, crypto::Key());
  return keyring;
}

Credential credential(const char* role = "sensor") {
  return Credential::issue(ring(), 1, "client1", 4, *Claims::of({{"role", role}}), "");
}

constexpr InstallNonce kNonce{5};
constexpr Time kSentAt = time_from_ms(1'700'000'000'000);

ClientHandshake call(const Credential& as, bool hmac_in_clear = false) {
  return {as, kNonce, Receipt{7, {8}}, kSentAt, hmac_in_clear, crypto::random_key()};
}

Result<OpenedHandshake, Reason> open(const Envelope& envelope) {
  Result<OpenedHandshake, Reason> opened = OpenedHandshake::open(envelope, ring());
  if (opened) BOOST_TEST_REQUIRE(opened->agree(crypto::random_key()));
  return opened;
}

BOOST_AUTO_TEST_CASE(gateway_reads_client_handshake_in_both_forms) {
  for (const bool hmac_in_clear : {false, true}) {
    const ClientHandshake ours = call(credential(), hmac_in_clear);
    BOOST_TEST(ours.envelope().key_use_hmac.has_value() == hmac_in_clear);
    const auto opened = open(ours.envelope());
    BOOST_REQUIRE(static_cast<bool>(opened));
    BOOST_TEST(opened->name() == "client1");
    BOOST_TEST(opened->kid() == 1);
    BOOST_TEST(opened->generation() == 4U);
    BOOST_TEST(opened->sent_at().value() == kSentAt);
    const auto request = opened->request();
    BOOST_REQUIRE(static_cast<bool>(request));
    BOOST_TEST(request->install_nonce == kNonce);
    BOOST_TEST((request->proof.receipt == Receipt{7, {8}}));
    BOOST_TEST(request->proof.claims.role() == "sensor");
    BOOST_TEST(was_issued(ring(), 1, {"client1", 4, {}}, request->proof));
  }
}

BOOST_AUTO_TEST_CASE(both_ends_derive_the_same_session) {
  ClientHandshake ours = call(credential());
  auto opened = open(ours.envelope());
  const SessionGrant grant{SessionId{1}, Epoch{2}, time_from_ms(3), Receipt{4, {5}}, 6};
  const auto answer = ours.finish(opened->accept(grant, time_from_ms(99)));
  BOOST_REQUIRE(static_cast<bool>(answer));
  BOOST_TEST((answer->status == Status::kAccepted));
  BOOST_TEST(answer->server_time == time_from_ms(99));
  BOOST_REQUIRE(answer->grant.has_value());
  BOOST_TEST(answer->grant->session_id == SessionId{1});
  BOOST_TEST(answer->grant->epoch == Epoch{2});
  BOOST_TEST(answer->grant->expires_at == time_from_ms(3));
  BOOST_TEST((answer->grant->receipt == Receipt{4, {5}}));
  BOOST_TEST(answer->grant->max_body == 6U);
  BOOST_TEST((answer->keys->c2s == opened->keys().c2s));
  BOOST_TEST((answer->keys->s2c == opened->keys().s2c));
}

BOOST_AUTO_TEST_CASE(sealed_rejection_carries_status_and_time_without_session) {
  ClientHandshake ours = call(credential());
  const auto answer = ours.finish(open(ours.envelope())->reject(Status::kLate, time_from_ms(99)));
  BOOST_REQUIRE(static_cast<bool>(answer));
  BOOST_TEST((answer->status == Status::kLate));
  BOOST_TEST(answer->server_time == time_from_ms(99));
  BOOST_TEST(!answer->grant.has_value());
  BOOST_TEST(!answer->keys.has_value());
}

BOOST_AUTO_TEST_CASE(rejects_changed_answer_and_answer_to_another_handshake) {
  ClientHandshake one = call(credential());
  ClientHandshake other = call(credential());
  const Bytes answer = open(other.envelope())->reject(Status::kLate, time_from_ms(99));
  BOOST_TEST(!one.finish(answer));
  BOOST_TEST(!one.finish({}));
  for (std::size_t i = 0; i < answer.size(); ++i) {
    ClientHandshake fresh = call(credential());
    Bytes changed = open(fresh.envelope())->reject(Status::kLate, time_from_ms(99));
    changed[i] ^= 1;
    BOOST_TEST(!fresh.finish(changed));
  }
}

BOOST_AUTO_TEST_CASE(rejects_handshake_with_any_bit_flipped_or_cut) {
  const Envelope good = call(credential(), true).envelope();
  BOOST_REQUIRE(static_cast<bool>(open(good)));
  for (std::size_t bit = 0; bit < good.message.size() * 8; ++bit) {
    Envelope changed = good;
    changed.message[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    BOOST_TEST(!open(changed));
  }
  for (std::size_t size = 1; size < good.message.size(); ++size) {
    Envelope cut = good;
    cut.message.resize(size);
    BOOST_TEST(!open(cut));
  }
}

BOOST_AUTO_TEST_CASE(rejects_changed_clear_fields) {
  const Envelope good = call(credential(), true).envelope();
  Envelope renamed = good;
  renamed.name = "client2";
  BOOST_TEST(open(renamed).error() == Reason::kHandshakeSeal);
  Envelope stripped = good;
  stripped.key_use_hmac.reset();
  BOOST_TEST(!open(stripped));
  Envelope changed = good;
  changed.key_use_hmac->bytes.front() ^= 1;
  BOOST_TEST(!open(changed));
  Envelope added = call(credential()).envelope();
  added.key_use_hmac = credential().key_use_hmac;
  BOOST_TEST(!open(added));
}

BOOST_AUTO_TEST_CASE(log_reason_distinguishes_unauthenticated_requests) {
  Envelope envelope = call(credential()).envelope();
  envelope.message[1] = 2;
  BOOST_TEST(open(envelope).error() == Reason::kKid);
  envelope = call(credential()).envelope();
  envelope.name = "";
  BOOST_TEST(open(envelope).error() == Reason::kName);
  envelope.name = ".client";
  BOOST_TEST(open(envelope).error() == Reason::kName);
  envelope = call(credential()).envelope();
  envelope.message.resize(2049);
  BOOST_TEST(open(envelope).error() == Reason::kHandshakeLength);
}

// A handshake with any payload, sealed with the client's key.
Result<OpenedHandshake, Reason> open_payload(ByteView payload, bool hmac_in_clear = false) {
  const Credential as = credential();
  Envelope envelope;
  envelope.name = as.name;
  if (hmac_in_clear) envelope.key_use_hmac = as.key_use_hmac;
  const Bytes header = Writer().u8(0x11).u8(as.kid).u32(as.generation).take();
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(as.server_id)
                             .put(header)
                             .put(envelope.clear())
                             .take();
  crypto::NoiseInitiator noise(psk_of(as.client_key), prologue, crypto::random_key());
  envelope.message = Writer().put(header).put(noise.write(payload)).take();
  return open(envelope);
}

Bytes payload(std::size_t hmac_size, int extra = 0) {
  Writer writer;
  writer.time(kSentAt).put(kNonce).put(Bytes(24)).lp16(credential().claims.encode());
  writer.lp8(Bytes(hmac_size)).put(Bytes(static_cast<std::size_t>(extra)));
  return writer.take();
}

BOOST_AUTO_TEST_CASE(rejects_malformed_handshake_payload) {
  BOOST_TEST(static_cast<bool>(open_payload(payload(32))->request()));
  BOOST_TEST(!open_payload(payload(32, 1))->request(), "a byte too many");
  BOOST_TEST(!open_payload(payload(31))->request(), "a MAC of 31 bytes");
  BOOST_TEST(!open_payload(payload(33))->request(), "a MAC of 33 bytes");
  BOOST_TEST(!open_payload(payload(0))->request(), "no MAC in either place");
  BOOST_TEST(!open_payload(payload(32), true)->request(), "a MAC in both places");
  BOOST_TEST(static_cast<bool>(open_payload(payload(0), true)->request()));
  const Bytes whole = payload(32);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(!open_payload(ByteView(whole).first(size))->request());
  }
  BOOST_TEST(!open_payload(Bytes(7))->sent_at().has_value());
  BOOST_TEST(open_payload(Bytes(8))->sent_at().value() == Time{});
}

// Whether a client accepts a message 2 with this payload, sealed with its key.
bool is_taken(ByteView payload) {
  const Credential as = credential();
  ClientHandshake ours = call(as);
  const ByteView message = ours.envelope().message;
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(as.server_id)
                             .put(message.first(6))
                             .put(ours.envelope().clear())
                             .take();
  auto noise = crypto::NoiseResponder::read(psk_of(as.client_key), prologue, message.subspan(6));
  BOOST_TEST_REQUIRE(noise->agree(crypto::random_key()));
  return static_cast<bool>(ours.finish(Writer().u8(0x91).put(noise->write(payload)).view()));
}

BOOST_AUTO_TEST_CASE(rejects_malformed_answer_payload) {
  const Bytes grant = Writer().u8(0).put(Bytes(8 + 16 + 16 + 8 + 24 + 4)).take();
  const Bytes rejection = Writer().u8(5).put(Bytes(8)).take();
  for (const Bytes& whole : {grant, rejection}) {
    BOOST_TEST(is_taken(whole));
    Bytes longer = whole;
    longer.push_back(0);
    BOOST_TEST(!is_taken(longer), "a byte too many");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      BOOST_TEST(!is_taken(ByteView(whole).first(size)), size << " bytes");
    }
  }
  BOOST_TEST(!is_taken(Writer().u8(15).put(Bytes(8)).view()), "a status there is not");
}

BOOST_AUTO_TEST_CASE(detects_claims_that_were_not_issued) {
  const ClaimsProof issued{{}, credential().claims, credential().key_use_hmac};
  const Installation who{"client1", 4, {}};
  BOOST_TEST(was_issued(ring(), 1, who, issued));
  BOOST_TEST(!was_issued(ring(), 1, {"client1", 5, {}}, issued));
  BOOST_TEST(!was_issued(ring(), 1, {"client2", 4, {}}, issued));
  const ClaimsProof raised{{}, credential("admin").claims, credential().key_use_hmac};
  BOOST_TEST(!was_issued(ring(), 1, who, raised));
  for (std::size_t i = 0; i < KeyUseHmac::kSize; ++i) {
    ClaimsProof forged = issued;
    forged.key_use_hmac.bytes[i] ^= 0x80;
    BOOST_TEST(!was_issued(ring(), 1, who, forged), "byte " << i);
  }
}

}  // namespace
}  // namespace sealpost
