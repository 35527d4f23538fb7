// Records and their answers (PROTOCOL 6).  Reading and writing of each stand side by side.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/primitives.h"
#include "protocol/claims_proof.h"
#include "protocol/envelope.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/status.h"

namespace sealpost {

// Whose record it is, as the database tells.
struct Session {
  SessionId id;
  Kid kid;
  Installation installation;
};

struct RecordHeader {
  SessionId session_id;
  std::uint64_t counter;
  ByteArray<16> random;

  // Refuses what is too short, of another kind, or counts past 2^63: a stranger's.
  [[nodiscard]] static Result<RecordHeader, Reason> read(ByteView message);
};

// What one message of a client is, however often it is sealed.
struct Message {
  std::uint64_t counter;
  MessageId id;
  std::string topic;
  Bytes body;

  // SHA-256(message_id, lp8(topic), body)
  [[nodiscard]] crypto::Digest digest() const;
};

// A plaintext whose seal has opened; nobody has looked at its shape yet.
class OpenedSeal {
 public:
  // The rejection is a stranger's.
  [[nodiscard]] static Result<OpenedSeal, Reason> open(const Envelope& envelope,
                                                       const RecordHeader& header,
                                                       const Session& session,
                                                       const crypto::Key& c2s);

  // SHA-256 of the decoded encrypted_message: what the answer is bound to.
  [[nodiscard]] const crypto::Digest& request_hash() const { return request_hash_; }
  [[nodiscard]] const Session& session() const { return session_; }
  [[nodiscard]] std::uint64_t counter() const { return counter_; }
  [[nodiscard]] const std::optional<KeyUseHmac>& hmac_in_clear() const { return hmac_in_clear_; }
  [[nodiscard]] ByteView plaintext() const { return plaintext_; }
  [[nodiscard]] Bytes take_plaintext() && { return std::move(plaintext_); }

 private:
  OpenedSeal(Session session, std::uint64_t counter, std::optional<KeyUseHmac> hmac_in_clear,
             const crypto::Digest& request_hash, Bytes plaintext)
      : session_(std::move(session)),
        counter_(counter),
        hmac_in_clear_(hmac_in_clear),
        request_hash_(request_hash),
        plaintext_(std::move(plaintext)) {}

  Session session_;
  std::uint64_t counter_;
  std::optional<KeyUseHmac> hmac_in_clear_;
  crypto::Digest request_hash_;
  Bytes plaintext_;
};

// An authenticated message of a known client.  An opened seal is the only thing it can be made of,
// and it is the only thing Store::admit takes.
class OpenedRecord {
 public:
  // Refuses every plaintext but the exact shape: `malformed`.
  [[nodiscard]] static Result<OpenedRecord, Reason> read(OpenedSeal seal);

  [[nodiscard]] const Session& session() const { return session_; }
  [[nodiscard]] const Message& message() const { return message_; }
  [[nodiscard]] const ClaimsProof& proof() const { return proof_; }
  [[nodiscard]] Time sent_at() const { return sent_at_; }
  [[nodiscard]] std::uint64_t oldest() const { return oldest_; }

 private:
  OpenedRecord(Session session, Message message, ClaimsProof proof, Time sent_at,
               std::uint64_t oldest)
      : session_(std::move(session)),
        message_(std::move(message)),
        proof_(std::move(proof)),
        sent_at_(sent_at),
        oldest_(oldest) {}

  Session session_;
  Message message_;
  ClaimsProof proof_;
  Time sent_at_;
  std::uint64_t oldest_;
};

// The client's side of the same bytes.  `fresh` must be 32 new random bytes; `clear` names the
// fields that go beside the seal, and comes back with the sealed message in it.
[[nodiscard]] Envelope seal_record(const crypto::Key& c2s, const SessionId& session_id,
                                   const ByteArray<32>& fresh, Envelope clear,
                                   const Message& message, const ClaimsProof& proof, Time sent_at,
                                   std::uint64_t oldest);

struct Answer {
  Status status;
  Time server_time;
  Receipt receipt;
  Bytes body;
};

// 0x92, 24 random bytes, ciphertext.  `fresh` must be 32 new random bytes.
[[nodiscard]] Bytes seal_answer(const crypto::Key& s2c, const crypto::Digest& request_hash,
                                const ByteArray<32>& fresh, const Answer& answer);

// Refuses what was not sealed as the answer to this very request.
[[nodiscard]] std::optional<Answer> open_answer(const crypto::Key& s2c,
                                                const crypto::Digest& request_hash, ByteView bytes);

}  // namespace sealpost
