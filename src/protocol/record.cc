#include "protocol/record.h"

#include "crypto/xaes.h"

namespace sealpost {
namespace {

constexpr std::uint8_t kAnswerKind = 0x92;
constexpr std::size_t kHeaderSize = 41;

// The counter is half of the nonce; this is the other half.  It is random and depends on the
// plaintext: if a cloned machine repeats its random numbers, a nonce repeats only for the same
// plaintext.
template <std::size_t N>
ByteArray<N> hedged_random(const ByteArray<32>& fresh, ByteView plaintext) {
  const crypto::Digest digest = crypto::sha256({fresh, plaintext});
  ByteArray<N> random;
  std::copy_n(digest.bytes.begin(), N, random.begin());
  return random;
}

crypto::XaesNonce record_nonce(const RecordHeader& header) {
  crypto::XaesNonce nonce;
  const Bytes halves = Writer().u64(header.counter).put(header.random).take();
  std::copy(halves.begin(), halves.end(), nonce.begin());
  return nonce;
}

Bytes record_context(ByteView header, const Envelope& envelope) {
  return Writer().put("sealpost/1 record").put(header).put(envelope.clear()).take();
}

Bytes answer_context(const crypto::Digest& request_hash) {
  return Writer().put("sealpost/1 answer").put(request_hash).take();
}

}  // namespace

Result<RecordHeader, Reason> RecordHeader::read(ByteView message) {
  Reader reader(message);
  const std::uint8_t kind = reader.u8();
  RecordHeader header{};
  header.session_id = reader.id<SessionId>();
  header.counter = reader.u64();
  header.random = reader.array<16>();
  if (!reader.complete() || kind != kRecordKind) return Reason::kRecordLength;
  if (header.counter >= kCounterEnd) return Reason::kCounter;
  return header;
}

crypto::Digest Message::digest() const {
  return crypto::sha256({id, Writer().lp8(topic).view(), body});
}

Result<OpenedSeal, Reason> OpenedSeal::open(const Envelope& envelope, const RecordHeader& header,
                                            const Session& session, const crypto::Key& c2s) {
  const ByteView message = envelope.message;
  std::optional<Bytes> plaintext = crypto::xaes_open(
      c2s, record_nonce(header), record_context(message.first(kHeaderSize), envelope),
      message.subspan(kHeaderSize));
  if (!plaintext) return Reason::kRecordSeal;
  return OpenedSeal(session, header.counter, envelope.key_use_hmac, crypto::sha256({message}),
                    std::move(*plaintext));
}

Result<OpenedRecord, Reason> OpenedRecord::read(OpenedSeal seal) {
  Reader reader(seal.plaintext());
  const Time sent_at = reader.time();
  const std::uint64_t oldest = reader.u64();
  Result<ClaimsProof, Reason> proof = ClaimsProof::read(reader, seal.hmac_in_clear());
  if (!proof) return proof.error();
  const auto id = reader.id<MessageId>();
  const std::string_view topic = text_of(reader.lp8());
  const std::size_t body = reader.rest().size();
  if (!reader.expect_end()) return Reason::kShort;
  if (!is_topic(topic)) return Reason::kTopic;
  if (topic == kWithdrawTopic && body != crypto::Digest::kSize) return Reason::kWithdrawLength;
  const Session session = seal.session();
  Message message{seal.counter(), id, std::string(topic), std::move(seal).take_plaintext()};
  message.body.erase(message.body.begin(), message.body.end() - static_cast<std::ptrdiff_t>(body));
  return OpenedRecord(session, std::move(message), std::move(*proof), sent_at, oldest);
}

crypto::Digest OpenedRecord::subject() const {
  return withdraws() ? Reader(message_.body).id<crypto::Digest>() : message_.digest();
}

Envelope seal_record(const crypto::Key& c2s, const SessionId& session_id,
                     const ByteArray<32>& fresh, Envelope clear, const Message& message,
                     const ClaimsProof& proof, Time sent_at, std::uint64_t oldest) {
  Writer plaintext;
  plaintext.time(sent_at).u64(oldest);
  proof.write(plaintext, clear.key_use_hmac.has_value());
  plaintext.put(message.id).lp8(message.topic).put(message.body);

  RecordHeader header{session_id, message.counter, hedged_random<16>(fresh, plaintext.view())};
  Writer written;
  written.u8(kRecordKind).put(header.session_id).u64(header.counter).put(header.random);
  const Bytes context = record_context(written.view(), clear);
  clear.message = written.take();
  crypto::xaes_seal(c2s, record_nonce(header), context, plaintext.view(), clear.message);
  return clear;
}

Bytes seal_answer(const crypto::Key& s2c, const crypto::Digest& request_hash,
                  const ByteArray<32>& fresh, const Answer& answer) {
  Writer plaintext;
  plaintext.u8(static_cast<std::uint8_t>(answer.status)).time(answer.server_time);
  answer.receipt.write(plaintext);
  plaintext.put(answer.body);

  const auto nonce = hedged_random<24>(fresh, plaintext.view());
  Bytes sealed = Writer().u8(kAnswerKind).put(nonce).take();
  crypto::xaes_seal(s2c, nonce, answer_context(request_hash), plaintext.view(), sealed);
  return sealed;
}

std::optional<Answer> open_answer(const crypto::Key& s2c, const crypto::Digest& request_hash,
                                  ByteView bytes) {
  Reader outside(bytes);
  const std::uint8_t kind = outside.u8();
  const auto nonce = outside.array<24>();
  if (!outside.complete() || kind != kAnswerKind) return std::nullopt;
  const std::optional<Bytes> plaintext =
      crypto::xaes_open(s2c, nonce, answer_context(request_hash), outside.rest());
  if (!plaintext) return std::nullopt;

  Reader reader(*plaintext);
  const std::optional<Status> status = status_of(reader.u8());
  const Time server_time = reader.time();
  const Receipt receipt = Receipt::read(reader);
  const ByteView body = reader.rest();
  if (!status || !reader.expect_end()) return std::nullopt;
  return Answer{*status, server_time, receipt, Bytes(body.begin(), body.end())};
}

}  // namespace sealpost
