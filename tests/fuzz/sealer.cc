#include "fuzz/sealer.h"

#include "crypto/noise.h"
#include "crypto/xaes.h"
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"

namespace sealpost::fuzz {
namespace {

constexpr std::uint8_t kEphemeral = 0x42;  // what the private key is filled with

}  // namespace

Handshake::Handshake(const Credential& as, Bytes payload, bool hmac_in_clear,
                     std::optional<crypto::PublicKey> point)
    : psk_(psk_of(as.client_key)),
      payload_(std::move(payload)),
      point_(point ? *point : crypto::x25519_public(key(kEphemeral))) {
  envelope_.name = as.name;
  if (hmac_in_clear) envelope_.key_use_hmac = as.key_use_hmac;
  const Bytes header = Writer().u8(kHandshakeKind).u8(as.kid).u32(as.generation).take();
  prologue_ = Writer()
                  .put("sealpost/1 handshake")
                  .put(as.server_id)
                  .put(header)
                  .put(envelope_.clear())
                  .take();
  envelope_.message = header;
  (void)begin(envelope_.message);
}

crypto::NoiseState Handshake::begin(Bytes& message) const {
  crypto::NoiseState state(prologue_);
  state.mix_key_and_hash(psk_);
  message.insert(message.end(), point_.bytes.begin(), point_.bytes.end());
  state.mix_hash(point_);
  state.mix_key(point_);
  state.encrypt_and_hash(payload_, message);
  return state;
}

std::optional<Handshake::Opened> Handshake::open(ByteView answer) const {
  if (answer.size() < 33 || answer[0] != 0x91) return std::nullopt;
  Bytes ignored;
  crypto::NoiseState state = begin(ignored);
  Reader reader(answer.subspan(1));
  const auto theirs = reader.id<crypto::PublicKey>();
  const auto shared = crypto::x25519(key(kEphemeral), theirs);
  if (!shared) return std::nullopt;
  state.mix_hash(theirs);
  state.mix_key(theirs);
  state.mix_key(shared->reveal());
  auto payload = state.decrypt_and_hash(reader.rest());
  if (!payload) return std::nullopt;
  crypto::NoiseKeys keys = state.split();
  return Opened{std::move(*payload), {std::move(keys.to_responder), std::move(keys.to_initiator)}};
}

Envelope seal_plaintext(const crypto::Key& c2s, const SessionId& session, std::uint64_t counter,
                        Envelope clear, ByteView plaintext) {
  const auto random = crypto::random_array<16>();
  const Bytes header = Writer().u8(kRecordKind).put(session).u64(counter).put(random).take();
  const Bytes context = Writer().put("sealpost/1 record").put(header).put(clear.clear()).take();
  crypto::XaesNonce nonce;
  std::copy(header.begin() + 17, header.end(), nonce.begin());
  clear.message = header;
  crypto::xaes_seal(c2s, nonce, context, plaintext, clear.message);
  return clear;
}

}  // namespace sealpost::fuzz
