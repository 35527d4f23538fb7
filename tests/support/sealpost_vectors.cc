#include "base/encoding.h"
#include "crypto/xaes.h"
#include "protocol/credential.h"
#include "protocol/handshake.h"
#include "protocol/record.h"
#include "support/vectors.h"

namespace sealpost::test {
namespace {

using Json = nlohmann::ordered_json;

// "Random" bytes: the same value over and over, so that another implementation needs no generator.
template <std::size_t N>
ByteArray<N> fixed(std::uint8_t value) {
  ByteArray<N> bytes;
  bytes.fill(value);
  return bytes;
}

crypto::Key fixed_key(std::uint8_t value) { return crypto::Key(fixed<32>(value)); }

constexpr Kid kKid = 3;
constexpr Generation kGeneration = 2;
constexpr Time kSentAt = time_from_ms(1'790'000'000'000);
constexpr Time kServerTime = kSentAt + Milliseconds{250};
const ServerId kServerId{fixed<16>(0x51)};
const Epoch kEpoch{fixed<16>(0xe0)};
const SessionId kSession{fixed<16>(0x5e)};
const Installation kInstallation{"client1", kGeneration, {fixed<16>(0x1a)}};

Keyring keyring() {
  Keyring ring(kServerId);
  ring.add(kKid, fixed_key(0x4d));
  return ring;
}

Credential credential() {
  return Credential::issue(keyring(), kKid, "client1", kGeneration,
                           *Claims::of({{"role", "sensor"}, {"site", "Zürich"}}),
                           "https://example.org/cgi-bin/sealpost.fcgi");
}

// PROTOCOL 3, computed from its formulas: the keyring does not give these keys out.
Json key_schedule() {
  const crypto::Key root = crypto::hkdf_extract(bytes_of("sealpost/1"), fixed_key(0x4d).reveal());
  const auto labelled = [&](const char* label) {
    crypto::Key key;
    crypto::hkdf_expand(root, Writer().put(label).put(kServerId).u8(kKid).view(), key.fill());
    return hex(key.reveal());
  };
  const Credential issued = credential();
  return {
      {"server_id", hex(kServerId)},
      {"master_key", hex(fixed_key(0x4d).reveal())},
      {"kid", kKid},
      {"name", issued.name},
      {"generation", kGeneration},
      {"claims", issued.claims.values()},
      {"root", hex(root.reveal())},
      {"client_key", hex(issued.client_key.reveal())},
      {"key_use_key", labelled("key use")},
      {"receipt_key", labelled("receipt")},
      {"storage_key", labelled("storage")},
      {"psk", hex(psk_of(issued.client_key).reveal())},
      {"claims_block", hex(issued.claims.encode())},
      {"key_use_hmac", hex(issued.key_use_hmac)},
  };
}

Json receipt_json(const Receipt& receipt) {
  Writer writer;
  receipt.write(writer);
  return {{"next", receipt.next}, {"bytes", hex(writer.view())}};
}

Receipt receipt(std::uint64_t next) {
  return make_receipt(keyring().receipt_key(kKid), kEpoch, kInstallation, next);
}

// One handshake, request and answer.
Json handshake(bool hmac_in_clear, const Receipt& shown, std::optional<Status> rejected) {
  ClientHandshake call(credential(), kInstallation.nonce, shown, kSentAt, hmac_in_clear,
                       fixed_key(0xc1));
  auto opened = OpenedHandshake::open(call.envelope(), keyring());
  if (!opened->agree(fixed_key(0x52))) throw Fault("the vectors' own point");
  const SessionGrant grant{kSession, kEpoch, kSentAt + 24 * kHour, receipt(7), 1U << 20};
  const SessionKeys keys = opened->keys();
  const Bytes answer =
      rejected ? opened->reject(*rejected, kServerTime) : opened->accept(grant, kServerTime);
  Json json = {
      {"client_ephemeral", hex(fixed<32>(0xc1))},
      {"server_ephemeral", hex(fixed<32>(0x52))},
      {"install_nonce", hex(kInstallation.nonce)},
      {"sent_at", to_ms(kSentAt)},
      {"receipt_shown", receipt_json(shown)},
      {"key_use_hmac_in_clear", hmac_in_clear},
      {"encrypted_message", hex(call.envelope().message)},
      {"body", call.envelope().form()},
      {"encrypted_message_sha256", hex(opened->digest())},
      {"status", rejected ? static_cast<int>(*rejected) : 0},
      {"server_time", to_ms(kServerTime)},
  };
  if (!rejected) {
    json["session_id"] = hex(grant.session_id);
    json["epoch"] = hex(grant.epoch);
    json["expires_at"] = to_ms(grant.expires_at);
    json["receipt"] = receipt_json(grant.receipt);
    json["max_body"] = grant.max_body;
    json["k_c2s"] = hex(keys.c2s.reveal());
    json["k_s2c"] = hex(keys.s2c.reveal());
  }
  json["answer"] = hex(answer);
  return json;
}

// One record, request and answer.
Json record(bool name_in_clear, bool hmac_in_clear, const std::string& body, Status status) {
  const Message message{7, {fixed<16>(0x3d)}, "telemetry/room", Bytes(body.begin(), body.end())};
  const ClaimsProof proof{receipt(7), credential().claims, credential().key_use_hmac};
  Envelope clear;
  if (name_in_clear) clear.name = "client1";
  if (hmac_in_clear) clear.key_use_hmac = proof.key_use_hmac;
  const Envelope envelope =
      seal_record(fixed_key(0xc5), kSession, fixed<32>(0xf1), clear, message, proof, kSentAt, 5);
  const crypto::Digest request_hash = crypto::sha256({envelope.message});
  const Bytes reply = status == Status::kAccepted ? Bytes{'o', 'k'} : Bytes{};
  const Answer answer{status, kServerTime, receipt(8), reply};
  return {
      {"k_c2s", hex(fixed<32>(0xc5))},
      {"k_s2c", hex(fixed<32>(0x5c))},
      {"session_id", hex(kSession)},
      {"counter", message.counter},
      {"fresh_32_bytes", hex(fixed<32>(0xf1))},
      {"name_in_clear", name_in_clear},
      {"key_use_hmac_in_clear", hmac_in_clear},
      {"sent_at", to_ms(kSentAt)},
      {"oldest", 5},
      {"receipt_shown", receipt_json(proof.receipt)},
      {"message_id", hex(message.id)},
      {"topic", message.topic},
      {"message_body", hex(message.body)},
      {"digest", hex(message.digest())},
      {"encrypted_message", hex(envelope.message)},
      {"body", envelope.form()},
      {"request_sha256", hex(request_hash)},
      {"answer_status", static_cast<int>(status)},
      {"answer_server_time", to_ms(kServerTime)},
      {"answer_receipt", receipt_json(answer.receipt)},
      {"answer_body", hex(reply)},
      {"answer_fresh_32_bytes", hex(fixed<32>(0xf2))},
      {"answer", hex(seal_answer(fixed_key(0x5c), request_hash, fixed<32>(0xf2), answer))},
  };
}

}  // namespace

nlohmann::ordered_json sealpost_vectors() {
  return {
      {"source",
       "sealpost's own vectors for version 1 of its protocol; all bytes that are random in life "
       "are "
       "fixed here. Binary values are hexadecimal, a body is the HTTP body as sent. epoch and "
       "install_nonce of the receipts are those of the first handshake."},
      {"keys", key_schedule()},
      {"handshakes",
       {handshake(false, {}, std::nullopt), handshake(true, receipt(7), std::nullopt),
        handshake(false, {}, Status::kForbidden)}},
      {"records",
       {record(false, false, "21.5 C", Status::kAccepted),
        record(true, false, "", Status::kDuplicate), record(false, true, "x", Status::kTooOld),
        record(true, true, std::string(100, 'b'), Status::kAccepted)}},
  };
}

}  // namespace sealpost::test
