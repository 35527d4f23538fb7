// A record's plaintext, sealed with the session's key (PROTOCOL 6).  What is read is written again
// as the same bytes, and a second reader reads the same.
#include "crypto/xaes.h"
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"
#include "fuzz/naive.h"

namespace sealpost {
namespace {

using fuzz::require;

const Session& session() {
  static const Session session{
      fuzz::filled_id<SessionId>(5), 1, {"client1", 1, fuzz::filled_id<InstallNonce>(6)}};
  return session;
}

Envelope sealed(std::uint64_t counter, Envelope envelope, ByteView plaintext) {
  const Bytes header =
      Writer().u8(kRecordKind).put(session().id).u64(counter).put(fuzz::filled<16>(7)).take();
  const Bytes context = Writer().put("sealpost/1 record").put(header).put(envelope.clear()).take();
  crypto::XaesNonce nonce;
  std::copy(header.begin() + 17, header.end(), nonce.begin());
  envelope.message = header;
  crypto::xaes_seal(fuzz::key(8), nonce, context, plaintext, envelope.message);
  return envelope;
}

std::optional<OpenedSeal> open(const Envelope& envelope) {
  const auto header = RecordHeader::read(envelope.message);
  require(static_cast<bool>(header), "its header can be read");
  auto seal = OpenedSeal::open(envelope, *header, session(), fuzz::key(8));
  require(static_cast<bool>(seal), "what was sealed opens");
  return std::move(*seal);
}

struct NaiveRecord {
  fuzz::NaiveClaimsProof statement;
  ByteView id, topic, body;
};

std::optional<NaiveRecord> naive_record(ByteView plaintext, bool hmac_in_clear) {
  std::size_t at = 16;
  if (plaintext.size() < at) return std::nullopt;
  auto statement = fuzz::naive_statement(plaintext, at, hmac_in_clear);
  if (!statement || plaintext.size() < at + 17) return std::nullopt;
  const ByteView id = plaintext.subspan(at, 16);
  const std::size_t topic = plaintext[at + 16];
  at += 17;
  if (plaintext.size() < at + topic || topic < 1 || topic > 128) return std::nullopt;
  NaiveRecord record{*statement, id, plaintext.subspan(at, topic), plaintext.subspan(at + topic)};
  const bool good = std::all_of(record.topic.begin(), record.topic.end(), [](std::uint8_t c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/';
  });
  if (!good) return std::nullopt;
  return record;
}

void compare(const OpenedRecord& read, const NaiveRecord& naive, ByteView plaintext) {
  require(to_ms(read.sent_at()) == fuzz::naive_number(plaintext, 0, 8), "the same time");
  require(read.oldest() == fuzz::naive_number(plaintext, 8, 8), "the same oldest");
  require(read.proof().receipt.next == naive.statement.next, "the same receipt");
  require(fuzz::same(read.message().id, naive.id), "the same message_id");
  require(read.message().topic == text_of(naive.topic), "the same topic");
  require(fuzz::same(read.message().body, naive.body), "the same body");
}

void sealed_plaintext(ByteView plaintext, std::uint64_t counter, bool hmac_in_clear) {
  const Envelope clear = fuzz::clear_fields(false, hmac_in_clear);
  const auto read = OpenedRecord::read(*open(sealed(counter, clear, plaintext)));
  const auto naive = naive_record(plaintext, hmac_in_clear);
  require(static_cast<bool>(read) == naive.has_value(), "both take the same plaintexts");
  if (!read) return;
  compare(*read, *naive, plaintext);
  Writer again;
  again.time(read->sent_at()).u64(read->oldest());
  read->proof().write(again, hmac_in_clear);
  again.put(read->message().id).lp8(read->message().topic).put(read->message().body);
  require(fuzz::same(again.view(), plaintext), "written again, it is the same");

  if (hmac_in_clear) return;  // seal_record takes the MAC from the statement then
  const Envelope resealed =
      seal_record(fuzz::key(8), session().id, fuzz::filled<32>(9), clear, read->message(),
                  read->proof(), read->sent_at(), read->oldest());
  const auto reread = OpenedRecord::read(*open(resealed));
  require(static_cast<bool>(reread), "what a client seals is read");
  compare(*reread, *naive, plaintext);
  require(reread->message().counter == counter, "the same counter");
  require(reread->message().digest() == read->message().digest(), "the same message");
}

void bare_message(const Bytes& message) {
  const auto header = RecordHeader::read(message);
  const bool shaped = message.size() >= 41 && message[0] == kRecordKind && message[17] < 0x80;
  require(static_cast<bool>(header) == shaped, "a header of 41 bytes, with a counter below 2^63");
  if (!header) return;
  Envelope envelope;
  envelope.message = message;
  require(!OpenedSeal::open(envelope, *header, session(), fuzz::key(8)),
          "an unauthenticated answer does not open");
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  const std::size_t what = choices.of(4);
  if (what == 3) {
    bare_message(choices.rest());
    return 0;
  }
  const std::uint64_t counter = what == 2 ? kCounterEnd - 1 : what;
  sealed_plaintext(choices.rest(), counter, what == 1);
  return 0;
}
