// Noise_NNpsk0_25519_AESGCM_SHA256, and nothing else of Noise: one message each way, then Split().
// Source: The Noise Protocol Framework, revision 34; pattern NN with modifier psk0:
//
//     -> psk, e
//     <- e, ee
//
// The ephemeral private keys come in as arguments and must be fresh for each handshake.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/primitives.h"
#include "crypto/secret.h"

namespace sealpost::crypto {

// What Split() gives: the keys from the initiator to the responder, and back.
struct NoiseKeys {
  Key to_responder;
  Key to_initiator;
};

// Sections 5.1 and 5.2 of the framework, with only what NNpsk0 needs.
class NoiseState {
 public:
  explicit NoiseState(ByteView prologue);

  void mix_hash(ByteView data);
  void mix_key(ByteView input);
  void mix_key_and_hash(const Key& psk);
  void encrypt_and_hash(ByteView plaintext, Bytes& out);
  [[nodiscard]] std::optional<Bytes> decrypt_and_hash(ByteView ciphertext);
  [[nodiscard]] NoiseKeys split() const;
  [[nodiscard]] const Digest& hash() const { return hash_; }

 private:
  [[nodiscard]] GcmNonce next_nonce();

  Digest hash_;
  Key chaining_key_;
  Key key_;
  std::uint64_t nonce_ = 0;
};

class NoiseInitiator {
 public:
  NoiseInitiator(const Key& psk, ByteView prologue, Key ephemeral);

  // Message 1: ephemeral public key (32 bytes), then the sealed payload.  Once.
  [[nodiscard]] Bytes write(ByteView payload);

  struct Finished {
    Bytes payload;
    NoiseKeys keys;
    Digest handshake_hash;
  };
  // Nothing if message 2 does not open, or its key is a point of small order.  Once, after write().
  [[nodiscard]] std::optional<Finished> read(ByteView message2);

 private:
  NoiseState state_;
  Key ephemeral_;
};

class NoiseResponder {
 public:
  // Nothing if message 1 does not open under psk and prologue.
  [[nodiscard]] static std::optional<NoiseResponder> read(const Key& psk, ByteView prologue,
                                                          ByteView message1);

  [[nodiscard]] ByteView payload() const { return payload_; }

  // Tokens "e" and "ee" of message 2; false if message 1's key is a point of small order, and then
  // there is nothing to answer with.  Once, before keys() and write().  It is most of a handshake's
  // work, so that a replayed one should be known by then.  Without it the rest throws.
  [[nodiscard]] bool agree(const Key& ephemeral);

  // What Split() will give.  All tokens of message 2 are mixed in by now, and its payload changes
  // the handshake hash alone: so the keys can be put away before it is decided what to answer.
  [[nodiscard]] NoiseKeys keys() const;

  // Message 2: ephemeral public key (32 bytes), then the sealed payload.  Once.
  [[nodiscard]] Bytes write(ByteView payload);
  [[nodiscard]] const Digest& handshake_hash() const { return state_.hash(); }

 private:
  NoiseResponder(NoiseState state, Bytes payload, const PublicKey& theirs)
      : state_(std::move(state)), payload_(std::move(payload)), theirs_(theirs) {}

  NoiseState state_;
  Bytes payload_;
  PublicKey theirs_;
  std::optional<PublicKey> mine_;  // once agreed
};

}  // namespace sealpost::crypto
