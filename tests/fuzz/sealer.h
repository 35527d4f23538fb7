// Seals any content with the right keys: PROTOCOL 5 and 6 written a second time, with Noise token
// by token.
#pragma once

#include "crypto/noise.h"
#include "protocol/credential.h"
#include "protocol/record.h"

namespace sealpost::fuzz {

// A handshake of this credential with any payload, and any 32 bytes as the public key where
// `point` says so.
class Handshake {
 public:
  Handshake(const Credential& as, Bytes payload, bool hmac_in_clear,
            std::optional<crypto::PublicKey> point);

  [[nodiscard]] const Envelope& envelope() const { return envelope_; }

  struct Opened {
    Bytes payload;
    SessionKeys keys;
  };
  // Message 2 with its first byte; nothing if it does not open.  As often as one likes.
  [[nodiscard]] std::optional<Opened> open(ByteView answer) const;

 private:
  crypto::NoiseState begin(Bytes& message) const;

  crypto::Key psk_;
  Bytes payload_;
  Bytes prologue_;
  crypto::PublicKey point_;
  Envelope envelope_;
};

[[nodiscard]] Envelope seal_plaintext(const crypto::Key& c2s, const SessionId& session,
                                      std::uint64_t counter, Envelope clear, ByteView plaintext);

}  // namespace sealpost::fuzz
