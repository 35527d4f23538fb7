// Records and their answers (PROTOCOL 6).
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

// The session of a record, as the database has it.
struct Session {
  SessionId id;
  Kid kid;
  Installation installation;
};

struct RecordHeader {
  SessionId session_id;
  std::uint64_t counter;
  ByteArray<16> random;

  // Rejects a message that is too short or of another kind, or whose counter is not below 2^63.
  [[nodiscard]] static Result<RecordHeader, Reason> read(ByteView message);
};

// One message of a client.  It stays the same however often it is sealed.
struct Message {
  std::uint64_t counter;
  MessageId id;
  std::string topic;
  Bytes body;

  // SHA-256(message_id, lp8(topic), body)
  [[nodiscard]] crypto::Digest digest() const;
};

// A plaintext whose seal has opened, but whose fields were not read yet.  Only open() can make one.
class OpenedSeal {
 public:
  // After a rejection the client is not authenticated.
  [[nodiscard]] static Result<OpenedSeal, Reason> open(const Envelope& envelope,
                                                       const RecordHeader& header,
                                                       const Session& session,
                                                       const crypto::Key& c2s);

  // SHA-256 of the decoded encrypted_message.  The answer is bound to it.
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

// An authenticated message of a known client.  Only read() can make one, from an opened seal, and
// Store::admit takes nothing else.
class OpenedRecord {
 public:
  // Rejects every plaintext that does not have exactly the required fields (status malformed).
  [[nodiscard]] static Result<OpenedRecord, Reason> read(OpenedSeal seal);

  [[nodiscard]] const Session& session() const { return session_; }
  [[nodiscard]] const Message& message() const { return message_; }
  [[nodiscard]] const ClaimsProof& proof() const { return proof_; }
  [[nodiscard]] Time sent_at() const { return sent_at_; }
  [[nodiscard]] std::uint64_t oldest() const { return oldest_; }

  // Whether it withdraws the message with its counter, instead of bringing it (PROTOCOL 6).
  [[nodiscard]] bool withdraws() const { return message_.topic == kWithdrawTopic; }
  // The digest of the message that it brings or withdraws.
  [[nodiscard]] crypto::Digest subject() const;

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

// Seals a record, as the client does.  `fresh` must be 32 new random bytes.  `clear` has the fields
// in clear; the result is `clear` with the sealed message.
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

// Returns 0x92, 24 random bytes, ciphertext.  `fresh` must be 32 new random bytes.
[[nodiscard]] Bytes seal_answer(const crypto::Key& s2c, const crypto::Digest& request_hash,
                                const ByteArray<32>& fresh, const Answer& answer);

// Returns nothing unless `bytes` were sealed as the answer to this very request.
[[nodiscard]] std::optional<Answer> open_answer(const crypto::Key& s2c,
                                                const crypto::Digest& request_hash, ByteView bytes);

}  // namespace sealpost
