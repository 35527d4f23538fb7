// The handshake Noise_NNpsk0_25519_AESGCM_SHA256: one message each way, then Split().
// Source: The Noise Protocol Framework, revision 34; pattern NN with modifier psk0:
//
//     -> psk, e
//     <- e, ee
//
// The caller makes the ephemeral private keys.  Each handshake needs a new one.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/primitives.h"
#include "crypto/secret.h"

namespace sealpost::crypto {

// The result of Split(): one key for each direction.
struct NoiseKeys {
  Key to_responder;
  Key to_initiator;
};

// CipherState and SymmetricState (sections 5.1 and 5.2), as far as NNpsk0 needs them.
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

  // Returns message 1: the ephemeral public key (32 bytes) and the sealed payload.  Call it once.
  [[nodiscard]] Bytes write(ByteView payload);

  struct Finished {
    Bytes payload;
    NoiseKeys keys;
    Digest handshake_hash;
  };
  // Returns nothing if message 2 does not open, or if its key is a point of small order.  Call it
  // once, after write().
  [[nodiscard]] std::optional<Finished> read(ByteView message2);

 private:
  NoiseState state_;
  Key ephemeral_;
};

class NoiseResponder {
 public:
  // Returns nothing if message 1 does not open under psk and prologue.
  [[nodiscard]] static std::optional<NoiseResponder> read(const Key& psk, ByteView prologue,
                                                          ByteView message1);

  [[nodiscard]] ByteView payload() const { return payload_; }

  // Tokens "e" and "ee" of message 2.  Returns false if message 1's key is a point of small order;
  // there can be no answer then.
  //
  // Call it once, before keys() and write().  It is most of the work of a handshake, so the caller
  // should reject a replayed handshake first.
  [[nodiscard]] bool agree(const Key& ephemeral);

  // The result of Split().  The payload of message 2 changes only the handshake hash, so the keys
  // can be stored before the answer is decided.  Throws Fault before agree().
  [[nodiscard]] NoiseKeys keys() const;

  // Returns message 2: the ephemeral public key (32 bytes) and the sealed payload.  Call it once,
  // after agree(); before it, throws std::bad_optional_access.
  [[nodiscard]] Bytes write(ByteView payload);
  [[nodiscard]] const Digest& handshake_hash() const { return state_.hash(); }

 private:
  NoiseResponder(NoiseState state, Bytes payload, const PublicKey& theirs)
      : state_(std::move(state)), payload_(std::move(payload)), theirs_(theirs) {}

  NoiseState state_;
  Bytes payload_;
  PublicKey theirs_;
  std::optional<PublicKey> mine_;  // set by agree()
};

}  // namespace sealpost::crypto
