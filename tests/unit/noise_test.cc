#define BOOST_TEST_MODULE noise
#include "crypto/noise.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "base/result.h"
#include "support/vectors.h"

namespace sealpost::crypto {
namespace {

using test::unhex;

// A Noise transport message, which sealpost never sends: they confirm the keys Split() gives.
std::string transport_message(const Key& key, std::uint8_t number, ByteView payload) {
  GcmNonce nonce{};
  nonce.back() = number;
  Bytes sealed;
  gcm_seal(key, nonce, {}, payload, sealed);
  return hex(sealed);
}

BOOST_AUTO_TEST_CASE(both_sides_match_published_vector) {
  const auto published = test::vectors("noise_nnpsk0.json");
  BOOST_REQUIRE(published["vectors"].size() == 1U);
  for (const auto& row : published["vectors"]) {
    const Key psk(unhex<32>(row["init_psks"][0]));
    const Bytes prologue = unhex(row["init_prologue"]);
    const Key initiator_ephemeral(unhex<32>(row["init_ephemeral"]));
    const Key responder_ephemeral(unhex<32>(row["resp_ephemeral"]));
    const auto& messages = row["messages"];
    const auto payload = [&](std::size_t i) { return unhex(messages[i]["payload"]); };
    const auto ciphertext = [&](std::size_t i) {
      return messages[i]["ciphertext"].get<std::string>();
    };

    NoiseInitiator initiator(psk, prologue, initiator_ephemeral.clone());
    const Bytes first = initiator.write(payload(0));
    BOOST_TEST(hex(first) == ciphertext(0));

    auto responder = NoiseResponder::read(psk, prologue, first);
    BOOST_REQUIRE(responder.has_value());
    BOOST_TEST_REQUIRE(responder->agree(responder_ephemeral));
    BOOST_TEST(hex(responder->payload()) == hex(payload(0)));
    const Bytes second = responder->write(payload(1));
    BOOST_TEST(hex(second) == ciphertext(1));
    BOOST_TEST(hex(responder->handshake_hash()) == row["handshake_hash"].get<std::string>());

    const auto finished = initiator.read(second);
    BOOST_REQUIRE(finished.has_value());
    BOOST_TEST(hex(finished->payload) == hex(payload(1)));
    BOOST_TEST(hex(finished->handshake_hash) == row["handshake_hash"].get<std::string>());
    BOOST_TEST((finished->keys.to_responder == responder->keys().to_responder));
    BOOST_TEST((finished->keys.to_initiator == responder->keys().to_initiator));

    BOOST_REQUIRE(messages.size() == 6U);
    BOOST_TEST(transport_message(finished->keys.to_responder, 0, payload(2)) == ciphertext(2));
    BOOST_TEST(transport_message(finished->keys.to_initiator, 0, payload(3)) == ciphertext(3));
    BOOST_TEST(transport_message(finished->keys.to_responder, 1, payload(4)) == ciphertext(4));
    BOOST_TEST(transport_message(finished->keys.to_initiator, 1, payload(5)) == ciphertext(5));
  }
}

struct NoisePair {
  Key psk = random_key();
  Bytes prologue = {1, 2, 3};
  NoiseInitiator initiator{psk, prologue, random_key()};
  Bytes first = initiator.write(Bytes{4});
};

BOOST_AUTO_TEST_CASE(session_keys_do_not_depend_on_second_payload) {
  NoisePair pair;
  auto responder = NoiseResponder::read(pair.psk, pair.prologue, pair.first);
  BOOST_CHECK_THROW((void)responder.value().keys(), sealpost::Fault);
  BOOST_CHECK_THROW((void)responder->write({}), std::bad_optional_access);
  BOOST_TEST_REQUIRE(responder->agree(random_key()));
  const NoiseKeys before = responder.value().keys();
  const auto finished = pair.initiator.read(responder->write(Bytes{9, 9}));
  BOOST_TEST((before.to_initiator == finished.value().keys.to_initiator));
  BOOST_TEST((before.to_responder == finished->keys.to_responder));
  BOOST_TEST(!(before.to_responder == before.to_initiator));
}

BOOST_AUTO_TEST_CASE(first_message_opens_only_with_its_key_prologue_and_bytes) {
  const NoisePair pair;
  BOOST_TEST(!NoiseResponder::read(random_key(), pair.prologue, pair.first));
  BOOST_TEST(!NoiseResponder::read(pair.psk, Bytes{1, 2}, pair.first));
  for (std::size_t i = 0; i < pair.first.size(); ++i) {
    Bytes changed = pair.first;
    changed[i] ^= 0x80;
    BOOST_TEST(!NoiseResponder::read(pair.psk, pair.prologue, changed));
    BOOST_TEST(!NoiseResponder::read(pair.psk, pair.prologue, ByteView(pair.first).first(i)));
  }
}

BOOST_AUTO_TEST_CASE(second_message_opens_only_for_its_first_message) {
  NoisePair one;
  NoisePair other;
  auto responder = NoiseResponder::read(other.psk, other.prologue, other.first);
  BOOST_TEST_REQUIRE(responder.value().agree(random_key()));
  BOOST_TEST(!one.initiator.read(responder.value().write({})));
  BOOST_TEST(!one.initiator.read({}));

  NoisePair flipped;
  auto its = NoiseResponder::read(flipped.psk, flipped.prologue, flipped.first);
  BOOST_TEST_REQUIRE(its.value().agree(random_key()));
  Bytes second = its.value().write(Bytes{1});
  second.back() ^= 1;
  BOOST_TEST(!flipped.initiator.read(second));
}

// Message 1 as a holder of the key would make it with a point of its choice for "e".
Bytes message_with_point(const Key& psk, ByteView prologue, const PublicKey& point) {
  NoiseState state(prologue);
  state.mix_key_and_hash(psk);
  state.mix_hash(point);
  state.mix_key(point);
  Bytes message(point.bytes.begin(), point.bytes.end());
  state.encrypt_and_hash(Bytes{1}, message);
  return message;
}

BOOST_AUTO_TEST_CASE(rejects_point_of_small_order_from_key_holder) {
  const Key psk = random_key();
  const auto agrees_on = [&](const PublicKey& point) {
    auto responder = NoiseResponder::read(psk, {}, message_with_point(psk, {}, point));
    return responder.value().agree(random_key());
  };
  BOOST_TEST(agrees_on(x25519_public(random_key())));  // the message itself is well made
  BOOST_TEST(!agrees_on(PublicKey{0}));
  BOOST_TEST(!agrees_on(PublicKey{1}));
}

}  // namespace
}  // namespace sealpost::crypto
