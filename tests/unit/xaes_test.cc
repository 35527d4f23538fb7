#define BOOST_TEST_MODULE xaes
#include "crypto/xaes.h"

#include <openssl/evp.h>

#include <boost/test/unit_test.hpp>
#include <memory>

#include "base/encoding.h"
#include "support/vectors.h"

namespace sealpost::crypto {
namespace {

using test::unhex;

XaesNonce nonce_of(const std::string& text) {
  XaesNonce nonce{};
  std::copy(text.begin(), text.end(), nonce.begin());
  return nonce;
}

BOOST_AUTO_TEST_CASE(matches_specification_vectors) {
  const auto published = test::vectors("xaes_256_gcm.json");
  BOOST_REQUIRE(published["vectors"].size() == 2U);
  for (const auto& row : published["vectors"]) {
    const Key key(unhex<32>(row["K"]));
    const XaesNonce nonce = nonce_of(row["N_ascii"]);
    const std::string plaintext = row["plaintext_ascii"];
    const std::string associated = row["aad_ascii"];
    Bytes sealed;
    xaes_seal(key, nonce, bytes_of(associated), bytes_of(plaintext), sealed);
    BOOST_TEST(hex(sealed) == row["ciphertext"].get<std::string>());
    BOOST_TEST(text_of(xaes_open(key, nonce, bytes_of(associated), sealed).value()) == plaintext);
  }
}

// An endless stream of SHAKE-128.  OpenSSL 3.0 can be asked for its output only once, so for a
// length that is surely enough.
Bytes shake128(ByteView input, std::size_t size) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  Bytes out(size);
  BOOST_REQUIRE(EVP_DigestInit_ex(context.get(), EVP_shake128(), nullptr) == 1);
  BOOST_REQUIRE(EVP_DigestUpdate(context.get(), input.data(), input.size()) == 1);
  BOOST_REQUIRE(EVP_DigestFinalXOF(context.get(), out.data(), out.size()) == 1);
  return out;
}

BOOST_AUTO_TEST_CASE(matches_accumulated_hash_of_ten_thousand_rounds) {
  constexpr std::size_t kRounds = 10'000;
  const auto expected = test::vectors("xaes_256_gcm.json")["accumulated"]["iterations_10000"];
  const Bytes input = shake128({}, kRounds * (32 + 24 + 2 * 256));
  Reader reader(input);
  Writer all;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const Key key(reader.array<32>());
    const XaesNonce nonce = reader.array<24>();
    const ByteView plaintext = reader.lp8();
    const ByteView associated = reader.lp8();
    Bytes sealed;
    xaes_seal(key, nonce, associated, plaintext, sealed);
    const auto opened = xaes_open(key, nonce, associated, sealed);
    BOOST_REQUIRE(
        (opened && std::equal(opened->begin(), opened->end(), plaintext.begin(), plaintext.end())));
    all.put(sealed);
  }
  BOOST_TEST(hex(shake128(all.view(), 32)) == expected.get<std::string>());
}

BOOST_AUTO_TEST_CASE(rejects_changed_key_nonce_context_or_bit) {
  const Key key(unhex<32>(std::string(64, '7')));
  const XaesNonce nonce = nonce_of("ABCDEFGHIJKLMNOPQRSTUVWX");
  Bytes sealed;
  xaes_seal(key, nonce, bytes_of("context"), bytes_of("text"), sealed);
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    XaesNonce other = nonce;
    other[i] ^= 1;
    BOOST_TEST(!xaes_open(key, other, bytes_of("context"), sealed).has_value());
  }
  BOOST_TEST(!xaes_open(Key(), nonce, bytes_of("context"), sealed).has_value());
  BOOST_TEST(!xaes_open(key, nonce, bytes_of("contexT"), sealed).has_value());
  sealed.back() ^= 1;
  BOOST_TEST(!xaes_open(key, nonce, bytes_of("context"), sealed).has_value());
}

}  // namespace
}  // namespace sealpost::crypto
