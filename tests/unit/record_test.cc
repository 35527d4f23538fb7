#define BOOST_TEST_MODULE record
#include "protocol/record.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "crypto/xaes.h"
#include "support/print.h"

namespace sealpost {
namespace {

constexpr SessionId kId{3};
const Session kSession{kId, 1, {"client1", 1, InstallNonce{9}}};

crypto::Key key_of(std::uint8_t first) {
  crypto::Key key;
  key.fill()[0] = first;
  return key;
}

Message message() { return {17, MessageId{4}, "telemetry/room", {1, 2, 3}}; }

ClaimsProof proof() { return {Receipt{5, {6}}, *Claims::of({{"role", "sensor"}}), {7}}; }

// The fields that go in clear beside the record.
Envelope clear(bool name, bool hmac) {
  Envelope envelope;
  if (name) envelope.name = "client1";
  if (hmac) envelope.key_use_hmac = proof().key_use_hmac;
  return envelope;
}

Envelope sealed(bool name = false, bool hmac = false) {
  return seal_record(key_of(1), kId, crypto::random_array<32>(), clear(name, hmac), message(),
                     proof(), time_from_ms(1000), 16);
}

Result<OpenedSeal, Reason> open(const Envelope& envelope, const crypto::Key& key) {
  const auto header = RecordHeader::read(envelope.message);
  if (!header) return header.error();
  return OpenedSeal::open(envelope, *header, kSession, key);
}

BOOST_AUTO_TEST_CASE(gateway_reads_client_record_in_every_form) {
  for (const bool name : {false, true}) {
    for (const bool hmac : {false, true}) {
      const Envelope envelope = sealed(name, hmac);
      const auto header = RecordHeader::read(envelope.message);
      BOOST_REQUIRE(static_cast<bool>(header));
      BOOST_TEST(header->session_id == kId);
      BOOST_TEST(header->counter == 17U);

      auto seal = open(envelope, key_of(1));
      BOOST_REQUIRE(static_cast<bool>(seal));
      BOOST_TEST(seal->request_hash() == crypto::sha256({envelope.message}));
      const auto record = OpenedRecord::read(std::move(*seal));
      BOOST_REQUIRE(static_cast<bool>(record));
      BOOST_TEST(record->session().installation.name == "client1");
      BOOST_TEST(record->sent_at() == time_from_ms(1000));
      BOOST_TEST(record->oldest() == 16U);
      BOOST_TEST((record->proof().receipt == proof().receipt));
      BOOST_TEST((record->proof().key_use_hmac == proof().key_use_hmac));
      BOOST_TEST(record->proof().claims.role() == "sensor");
      BOOST_TEST(record->message().counter == 17U);
      BOOST_TEST(record->message().topic == "telemetry/room");
      BOOST_TEST(record->message().body == message().body, boost::test_tools::per_element());
      BOOST_TEST(record->message().digest() == message().digest());
    }
  }
}

BOOST_AUTO_TEST_CASE(rejects_record_with_any_bit_flipped_or_cut) {
  const Envelope good = sealed(true, true);
  for (std::size_t bit = 0; bit < good.message.size() * 8; ++bit) {
    Envelope changed = good;
    changed.message[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    const auto opened = open(changed, key_of(1));
    // A changed session id is skipped: the gateway would look that session up.
    BOOST_TEST(!opened);
  }
  for (std::size_t size = 1; size < good.message.size(); ++size) {
    Envelope cut = good;
    cut.message.resize(size);
    BOOST_TEST(!open(cut, key_of(1)));
  }
  BOOST_TEST(!open(good, key_of(2)));
}

BOOST_AUTO_TEST_CASE(rejects_changed_clear_fields) {
  Envelope changed = sealed(true, true);
  changed.name.clear();
  BOOST_TEST(!open(changed, key_of(1)));
  changed = sealed(true, true);
  changed.key_use_hmac.reset();
  BOOST_TEST(!open(changed, key_of(1)));
  changed = sealed();
  changed.name = "client1";
  BOOST_TEST(!open(changed, key_of(1)));
}

BOOST_AUTO_TEST_CASE(rejects_counters_from_2_pow_63) {
  Envelope envelope = sealed();
  envelope.message[17] = 0x7f;
  BOOST_TEST(static_cast<bool>(RecordHeader::read(envelope.message)));
  envelope.message[17] = 0x80;
  BOOST_TEST(RecordHeader::read(envelope.message).error() == Reason::kCounter);
}

BOOST_AUTO_TEST_CASE(two_seals_of_one_message_have_different_bytes) {
  const Envelope one = sealed();
  const Envelope two = sealed();
  BOOST_TEST((one.message != two.message));
  BOOST_TEST(OpenedRecord::read(*open(one, key_of(1)))->message().digest() ==
             OpenedRecord::read(*open(two, key_of(1)))->message().digest());
}

BOOST_AUTO_TEST_CASE(repeated_generator_repeats_nonce_only_for_same_plaintext) {
  const ByteArray<32> stuck{};
  const auto random_part = [&](std::uint64_t sent_at) {
    const Envelope envelope =
        seal_record(key_of(1), kId, stuck, {}, message(), proof(), time_from_ms(sent_at), 0);
    return RecordHeader::read(envelope.message)->random;
  };
  BOOST_TEST((random_part(1) != random_part(2)));
  BOOST_TEST((random_part(1) == random_part(1)));
}

BOOST_AUTO_TEST_CASE(digest_covers_message_id_topic_and_body) {
  const auto digest = message().digest();
  BOOST_TEST(hex(digest) ==
             hex(crypto::sha256({MessageId{4}, bytes_of("\x0etelemetry/room"), Bytes{1, 2, 3}})));
}

// A record with any plaintext, sealed with the session's key.
Result<OpenedRecord, Reason> read_plaintext(ByteView plaintext, bool hmac_in_clear = false) {
  Envelope envelope = clear(false, hmac_in_clear);
  const Bytes header = Writer().u8(0x12).put(kId).u64(17).put(Bytes(16)).take();
  const Bytes context = Writer().put("sealpost/1 record").put(header).put(envelope.clear()).take();
  crypto::XaesNonce nonce{};
  nonce[7] = 17;
  envelope.message = header;
  crypto::xaes_seal(key_of(1), nonce, context, plaintext, envelope.message);
  auto seal = open(envelope, key_of(1));
  BOOST_REQUIRE(static_cast<bool>(seal));
  return OpenedRecord::read(std::move(*seal));
}

struct Plaintext {
  std::string topic = "t";
  std::size_t hmac_size = 32;
  Bytes claims = proof().claims.encode();
  Bytes body = {};

  [[nodiscard]] Bytes bytes() const {
    Writer writer;
    writer.u64(1).u64(2).put(Bytes(24)).lp16(claims).lp8(Bytes(hmac_size));
    return writer.put(MessageId{}).lp8(topic).put(body).take();
  }
};

BOOST_AUTO_TEST_CASE(rejects_malformed_plaintext) {
  BOOST_TEST(static_cast<bool>(read_plaintext(Plaintext{}.bytes())));
  BOOST_TEST(static_cast<bool>(read_plaintext(Plaintext{.body = Bytes(100'000)}.bytes())));
  BOOST_TEST(static_cast<bool>(read_plaintext(Plaintext{.topic = std::string(128, 't')}.bytes())));
  BOOST_TEST(static_cast<bool>(read_plaintext(Plaintext{.hmac_size = 0}.bytes(), true)));

  BOOST_TEST(!read_plaintext(Plaintext{.topic = ""}.bytes()), "no topic");
  BOOST_TEST(!read_plaintext(Plaintext{.topic = std::string(129, 't')}.bytes()),
             "129 bytes of topic");
  BOOST_TEST(!read_plaintext(Plaintext{.topic = "a b"}.bytes()), "a blank in the topic");
  BOOST_TEST(!read_plaintext(Plaintext{.hmac_size = 0}.bytes()), "no MAC in either place");
  BOOST_TEST(!read_plaintext(Plaintext{}.bytes(), true), "a MAC in both places");
  BOOST_TEST(!read_plaintext(Plaintext{.hmac_size = 31}.bytes()), "a MAC of 31 bytes");
  BOOST_TEST(!read_plaintext(Plaintext{.claims = {}}.bytes()), "no claims");
  BOOST_TEST(!read_plaintext(Plaintext{.claims = {1}}.bytes()), "claims cut short");
  const Bytes whole = Plaintext{}.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(!read_plaintext(ByteView(whole).first(size)));
  }
}

BOOST_AUTO_TEST_CASE(record_answer_opens_for_its_own_request_only) {
  const crypto::Digest request{1};
  const Answer answer{Status::kDuplicate, time_from_ms(99), Receipt{7, {8}}, {1, 2}};
  const Bytes bytes = seal_answer(key_of(2), request, crypto::random_array<32>(), answer);
  const auto opened = open_answer(key_of(2), request, bytes);
  BOOST_REQUIRE(static_cast<bool>(opened));
  BOOST_TEST((opened->status == Status::kDuplicate));
  BOOST_TEST(opened->server_time == time_from_ms(99));
  BOOST_TEST((opened->receipt == answer.receipt));
  BOOST_TEST(opened->body == answer.body, boost::test_tools::per_element());

  BOOST_TEST(!open_answer(key_of(2), crypto::Digest{2}, bytes));
  BOOST_TEST(!open_answer(key_of(1), request, bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 1;
    BOOST_TEST(!open_answer(key_of(2), request, changed));
    BOOST_TEST(!open_answer(key_of(2), request, ByteView(bytes).first(i)));
  }
}

BOOST_AUTO_TEST_CASE(rejects_answer_that_is_too_short) {
  const crypto::Digest request{3};
  const auto is_taken = [&](std::size_t size) {
    const crypto::XaesNonce nonce{4};
    Bytes bytes = Writer().u8(0x92).put(nonce).take();
    crypto::xaes_seal(key_of(2), nonce, Writer().put("sealpost/1 answer").put(request).view(),
                      Bytes(size), bytes);
    return static_cast<bool>(open_answer(key_of(2), request, bytes));
  };
  BOOST_TEST(is_taken(1 + 8 + 24));
  for (std::size_t size = 0; size < 1 + 8 + 24; ++size) BOOST_TEST(!is_taken(size), size);
}

BOOST_AUTO_TEST_CASE(rejects_answer_with_unknown_status) {
  Answer answer{static_cast<Status>(15), time_from_ms(99), {}, {}};
  const Bytes bytes = seal_answer(key_of(2), {}, crypto::random_array<32>(), answer);
  BOOST_TEST(!open_answer(key_of(2), {}, bytes));
}

}  // namespace
}  // namespace sealpost
