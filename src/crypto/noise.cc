#include "crypto/noise.h"

#include "base/result.h"

namespace sealpost::crypto {
namespace {

constexpr std::string_view kProtocolName = "Noise_NNpsk0_25519_AESGCM_SHA256";
static_assert(kProtocolName.size() == 32,
              "a name of exactly HASHLEN bytes is the first h and ck without hashing");

// The framework's HKDF is that of RFC 5869 with the chaining key as salt and an empty info.
template <std::size_t Count>
std::array<Key, Count> hkdf_keys(const Key& chaining_key, ByteView input) {
  Secret<32 * Count> all;
  hkdf(chaining_key.reveal(), input, {}, all.fill());
  std::array<Key, Count> keys;
  for (std::size_t i = 0; i < Count; ++i) {
    keys[i] = Key(ByteView(all.reveal()).subspan(32 * i).template first<32>());
  }
  return keys;
}

}  // namespace

NoiseState::NoiseState(ByteView prologue) : chaining_key_(bytes_of(kProtocolName).first<32>()) {
  std::copy(kProtocolName.begin(), kProtocolName.end(), hash_.bytes.begin());
  mix_hash(prologue);
}

void NoiseState::mix_hash(ByteView data) { hash_ = sha256({hash_, data}); }

void NoiseState::mix_key(ByteView input) {
  auto keys = hkdf_keys<2>(chaining_key_, input);
  chaining_key_ = std::move(keys[0]);
  key_ = std::move(keys[1]);
  nonce_ = 0;
}

void NoiseState::mix_key_and_hash(const Key& psk) {
  auto keys = hkdf_keys<3>(chaining_key_, psk.reveal());
  chaining_key_ = std::move(keys[0]);
  mix_hash(keys[1].reveal());
  key_ = std::move(keys[2]);
  nonce_ = 0;
}

GcmNonce NoiseState::next_nonce() {
  GcmNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[4 + i] = static_cast<std::uint8_t>(nonce_ >> (56 - 8 * i));
  }
  ++nonce_;
  return nonce;
}

void NoiseState::encrypt_and_hash(ByteView plaintext, Bytes& out) {
  const std::size_t start = out.size();
  gcm_seal(key_, next_nonce(), hash_, plaintext, out);
  mix_hash(ByteView(out).subspan(start));
}

std::optional<Bytes> NoiseState::decrypt_and_hash(ByteView ciphertext) {
  std::optional<Bytes> plaintext = gcm_open(key_, next_nonce(), hash_, ciphertext);
  if (plaintext) mix_hash(ciphertext);
  return plaintext;
}

NoiseKeys NoiseState::split() const {
  auto keys = hkdf_keys<2>(chaining_key_, {});
  return {std::move(keys[0]), std::move(keys[1])};
}

NoiseInitiator::NoiseInitiator(const Key& psk, ByteView prologue, Key ephemeral)
    : state_(prologue), ephemeral_(std::move(ephemeral)) {
  state_.mix_key_and_hash(psk);
}

Bytes NoiseInitiator::write(ByteView payload) {
  const PublicKey mine = x25519_public(ephemeral_);
  Bytes message(mine.bytes.begin(), mine.bytes.end());
  state_.mix_hash(mine);
  state_.mix_key(mine);  // with a psk, token "e" also mixes into the key (section 9.2)
  state_.encrypt_and_hash(payload, message);
  return message;
}

std::optional<NoiseInitiator::Finished> NoiseInitiator::read(ByteView message2) {
  Reader reader(message2);
  const auto theirs = reader.id<PublicKey>();
  if (!reader.complete()) return std::nullopt;
  const std::optional<Key> shared = x25519(ephemeral_, theirs);
  if (!shared) return std::nullopt;
  state_.mix_hash(theirs);
  state_.mix_key(theirs);
  state_.mix_key(shared->reveal());
  std::optional<Bytes> payload = state_.decrypt_and_hash(reader.rest());
  if (!payload) return std::nullopt;
  return Finished{std::move(*payload), state_.split(), state_.hash()};
}

// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the framework's order.
std::optional<NoiseResponder> NoiseResponder::read(const Key& psk, ByteView prologue,
                                                   ByteView message1) {
  Reader reader(message1);
  const auto theirs = reader.id<PublicKey>();
  if (!reader.complete()) return std::nullopt;
  NoiseState state(prologue);
  state.mix_key_and_hash(psk);
  state.mix_hash(theirs);
  state.mix_key(theirs);
  std::optional<Bytes> payload = state.decrypt_and_hash(reader.rest());
  if (!payload) return std::nullopt;
  return NoiseResponder(std::move(state), std::move(*payload), theirs);
}

bool NoiseResponder::agree(const Key& ephemeral) {
  const std::optional<Key> shared = x25519(ephemeral, theirs_);
  if (!shared) return false;
  mine_ = x25519_public(ephemeral);
  state_.mix_hash(*mine_);
  state_.mix_key(*mine_);
  state_.mix_key(shared->reveal());
  return true;
}

NoiseKeys NoiseResponder::keys() const {
  if (!mine_) throw Fault("handshake keys requested before agree()");
  return state_.split();
}

Bytes NoiseResponder::write(ByteView payload) {
  const PublicKey& mine = mine_.value();
  Bytes message(mine.bytes.begin(), mine.bytes.end());
  state_.encrypt_and_hash(payload, message);
  return message;
}

}  // namespace sealpost::crypto
