// The handshake (PROTOCOL 5), with which a client begins a session.  OpenedHandshake is the
// gateway's side, ClientHandshake the client's.
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

// The payload of message 1 without the time.
struct HandshakeRequest {
  InstallNonce install_nonce;
  ClaimsProof proof;
};

// The payload of message 2 if its status is accepted.
struct SessionGrant {
  SessionId session_id;
  Epoch epoch;
  Time expires_at;
  Receipt receipt;
  std::uint32_t max_body;  // bytes of an HTTP body
};

// A handshake whose seal has opened.  Only open() can make one.
class OpenedHandshake {
 public:
  // PROTOCOL 5, steps 2 and 3 without X25519.  After a rejection the client is not authenticated,
  // so the reason is only for the log.
  [[nodiscard]] static Result<OpenedHandshake, Reason> open(const Envelope& envelope,
                                                            const Keyring& keyring);

  [[nodiscard]] Kid kid() const { return kid_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Generation generation() const { return generation_; }
  // SHA-256 of the decoded encrypted_message.
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  // X25519, the rest of step 3.  Returns false if its result would be all zero.  Call it after the
  // check that the digest is new, and before keys(), reject() and accept().  `ephemeral` must be
  // fresh.
  [[nodiscard]] bool agree(const crypto::Key& ephemeral) { return noise_.agree(ephemeral); }
  // The client's estimate of this server's clock, or nothing if the payload is too short.
  [[nodiscard]] std::optional<Time> sent_at() const;
  // Rejects every payload that does not have exactly the required fields.
  [[nodiscard]] Result<HandshakeRequest, Reason> request() const;
  // The keys of the session, if the handshake is accepted.
  [[nodiscard]] SessionKeys keys() const;

  // The answer: 0x91 and message 2.  Call one of the two, once.
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

// The client's side of one handshake.
class ClientHandshake {
 public:
  // `ephemeral` must be fresh.  With `hmac_in_clear`, key_use_hmac is a field of the form.
  ClientHandshake(const Credential& credential, const InstallNonce& install_nonce,
                  const Receipt& receipt, Time sent_at, bool hmac_in_clear, crypto::Key ephemeral);

  [[nodiscard]] const Envelope& envelope() const { return envelope_; }

  struct Answer {
    Status status;
    Time server_time;
    std::optional<SessionGrant> grant;  // if and only if accepted
    std::optional<SessionKeys> keys;    // if and only if accepted
  };
  // Returns nothing unless somebody with this client's key has answered this very request.  Call it
  // once.
  [[nodiscard]] std::optional<Answer> finish(ByteView answer);

 private:
  Envelope envelope_;
  crypto::NoiseInitiator noise_;
};

}  // namespace sealpost
