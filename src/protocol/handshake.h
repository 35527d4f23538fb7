// The handshake of PROTOCOL 5: how a client is installed on a server, and comes back with a new
// session. Reading and writing of each message stand side by side; the gateway's half first.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/noise.h"
#include "protocol/claims_proof.h"
#include "protocol/credential.h"
#include "protocol/envelope.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/status.h"

namespace sealpost {

// What message 1 carries besides the time.
struct HandshakeRequest {
  InstallNonce install_nonce;
  ClaimsProof proof;
};

// What message 2 carries when its status is accepted.
struct SessionGrant {
  SessionId session_id;
  Epoch epoch;
  Time expires_at;
  Receipt receipt;
  std::uint32_t max_body;  // bytes of a whole HTTP body
};

// A handshake whose seal has opened; opening is the only way to make one.
class OpenedHandshake {
 public:
  // PROTOCOL 5, steps 2 and 3 but for X25519.  A rejection here is a stranger's: its reason is for
  // the log alone.
  [[nodiscard]] static Result<OpenedHandshake, Reason> open(const Envelope& envelope,
                                                            const Keyring& keyring);

  [[nodiscard]] Kid kid() const { return kid_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Generation generation() const { return generation_; }
  // SHA-256 of the decoded encrypted_message.
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  // The rest of step 3, once the digest is known to be new; false where the result would be all
  // zero.  Before all that follows.
  [[nodiscard]] bool agree(const crypto::Key& ephemeral) { return noise_.agree(ephemeral); }
  // The client's estimate of this server's clock; nothing if the payload is too short to hold it.
  [[nodiscard]] std::optional<Time> sent_at() const;
  // Refuses every payload but the exact shape.
  [[nodiscard]] Result<HandshakeRequest, Reason> request() const;
  // The session's keys, should there be one.
  [[nodiscard]] SessionKeys keys() const;

  // encrypted_message's answer, 0x91 and message 2: either of them, once.
  [[nodiscard]] Bytes reject(Status status, Time server_time);
  [[nodiscard]] Bytes accept(const SessionGrant& grant, Time server_time);

 private:
  OpenedHandshake(crypto::NoiseResponder noise, std::string name, Kid kid, Generation generation,
                  std::optional<KeyUseHmac> hmac_in_clear, const crypto::Digest& digest)
      : noise_(std::move(noise)),
        name_(std::move(name)),
        kid_(kid),
        generation_(generation),
        hmac_in_clear_(hmac_in_clear),
        digest_(digest) {}

  crypto::NoiseResponder noise_;
  std::string name_;
  Kid kid_;
  Generation generation_;
  std::optional<KeyUseHmac> hmac_in_clear_;
  crypto::Digest digest_;
};

// The client's half: one handshake, from its request to its answer.
class ClientHandshake {
 public:
  // `ephemeral` must be fresh.  With `hmac_in_clear` the form has all three fields.
  ClientHandshake(const Credential& credential, const InstallNonce& install_nonce,
                  const Receipt& receipt, Time sent_at, bool hmac_in_clear, crypto::Key ephemeral);

  [[nodiscard]] const Envelope& envelope() const { return envelope_; }

  struct Answer {
    Status status;
    Time server_time;
    std::optional<SessionGrant> grant;  // if and only if accepted
    std::optional<SessionKeys> keys;    // likewise
  };
  // Refuses whatever this server, or someone with this client's key, did not answer to this call.
  // Once.
  [[nodiscard]] std::optional<Answer> finish(ByteView answer);

 private:
  Envelope envelope_;
  crypto::NoiseInitiator noise_;
};

}  // namespace sealpost
