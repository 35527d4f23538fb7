#include "protocol/record.h"

#include "crypto/xaes.h"

namespace sealpost {
namespace {

constexpr std::uint8_t kAnswerKind = 0x92;
constexpr std::size_t kHeaderSize = 41;

// Half of the nonce is random, and hedged: a copied machine that repeats its generator repeats a
// nonce only for the same plaintext.  The counter is the other half.
template <std::size_t N>
ByteArray<N> hedged_random(const ByteArray<32>& fresh, ByteView plaintext) {
  const crypto::Digest digest = crypto::sha256({fresh, plaintext});
  ByteArray<N> random;
  std::copy_n(digest.begin(), N, random.begin());
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

Result<RecordHeader> RecordHeader::read(ByteView message) {
  Reader reader(message);
  const std::uint8_t kind = reader.u8();
  RecordHeader header{};
  header.session_id = reader.array<16>();
  header.counter = reader.u64();
  header.random = reader.array<16>();
  if (!reader.complete() || kind != kRecordKind) return Rejection{"record_length"};
  if (header.counter >= kCounterEnd) return Rejection{"counter"};
  return header;
}

crypto::Digest Message::digest() const {
  return crypto::sha256({id, Writer().lp8(topic).view(), body});
}

Result<OpenedSeal> OpenedSeal::open(const Envelope& envelope, const RecordHeader& header,
                                    const Session& session, const crypto::Key& c2s) {
  const ByteView message = envelope.message;
  std::optional<Bytes> plaintext = crypto::xaes_open(
      c2s, record_nonce(header), record_context(message.first(kHeaderSize), envelope),
      message.subspan(kHeaderSize));
  if (!plaintext) return Rejection{"record_seal"};
  return OpenedSeal(session, header.counter, envelope.key_use_hmac, crypto::sha256({message}),
                    std::move(*plaintext));
}

Result<OpenedRecord> OpenedRecord::read(OpenedSeal seal) {
  Reader reader(seal.plaintext_);
  const Time sent_at = reader.u64();
  const std::uint64_t oldest = reader.u64();
  Result<ClaimsProof> statement = ClaimsProof::read(reader, seal.hmac_in_clear_);
  if (!statement) return statement.rejection();
  const auto id = reader.array<16>();
  const std::string_view topic = text_of(reader.lp8());
  const std::size_t body = reader.rest().size();
  if (!reader.expect_end()) return Rejection{"short"};
  if (!is_topic(topic)) return Rejection{"topic"};
  Message message{seal.counter_, id, std::string(topic), std::move(seal.plaintext_)};
  message.body.erase(message.body.begin(), message.body.end() - static_cast<std::ptrdiff_t>(body));
  return OpenedRecord(std::move(seal.session_), std::move(message), std::move(*statement), sent_at,
                      oldest);
}

Envelope seal_record(const crypto::Key& c2s, const SessionId& session_id,
                     const ByteArray<32>& fresh, Envelope clear, const Message& message,
                     const ClaimsProof& statement, Time sent_at, std::uint64_t oldest) {
  Writer plaintext;
  plaintext.u64(sent_at).u64(oldest);
  statement.write(plaintext, clear.key_use_hmac.has_value());
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
  plaintext.u8(static_cast<std::uint8_t>(answer.status)).u64(answer.server_time);
  answer.receipt.write(plaintext);
  plaintext.put(answer.body);

  const auto nonce = hedged_random<24>(fresh, plaintext.view());
  Bytes sealed = Writer().u8(kAnswerKind).put(nonce).take();
  crypto::xaes_seal(s2c, nonce, answer_context(request_hash), plaintext.view(), sealed);
  return sealed;
}

Result<Answer> open_answer(const crypto::Key& s2c, const crypto::Digest& request_hash,
                           ByteView bytes) {
  constexpr Rejection kNotOurs{"the answer does not open"};
  Reader outside(bytes);
  const std::uint8_t kind = outside.u8();
  const auto nonce = outside.array<24>();
  if (!outside.complete() || kind != kAnswerKind) return kNotOurs;
  const std::optional<Bytes> plaintext =
      crypto::xaes_open(s2c, nonce, answer_context(request_hash), outside.rest());
  if (!plaintext) return kNotOurs;

  Reader reader(*plaintext);
  const std::optional<Status> status = status_of(reader.u8());
  const Time server_time = reader.u64();
  const Receipt receipt = Receipt::read(reader);
  const ByteView body = reader.rest();
  if (!status || !reader.expect_end()) return kNotOurs;
  return Answer{*status, server_time, receipt, Bytes(body.begin(), body.end())};
}

}  // namespace sealpost
