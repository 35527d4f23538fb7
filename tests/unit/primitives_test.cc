#define BOOST_TEST_MODULE primitives
#include "crypto/primitives.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/print.h"
#include "support/vectors.h"

namespace sealpost::crypto {
namespace {

using test::unhex;

// RFC 5869, appendix A, the three test cases with SHA-256.
struct HkdfCase {
  const char* why;
  std::string input, salt, info, prk, okm;
};

std::string range(int from, int to) {
  Bytes bytes;
  for (int i = from; i <= to; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return hex(bytes);
}

std::string repeated(const std::string& byte, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += byte;
  return text;
}

BOOST_AUTO_TEST_CASE(hkdf_matches_rfc_5869) {
  const HkdfCase cases[] = {
      {"A.1 basic", repeated("0b", 22), range(0, 0x0c), range(0xf0, 0xf9),
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {"A.2 longer inputs and outputs", range(0, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff),
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e5"
       "90e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {"A.3 empty salt and info", repeated("0b", 22), "", "",
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const HkdfCase& row : cases) {
    const Key prk = hkdf_extract(unhex(row.salt), unhex(row.input));
    BOOST_TEST(hex(prk.reveal()) == row.prk, row.why);
    Bytes okm(row.okm.size() / 2);
    hkdf_expand(prk, unhex(row.info), okm);
    BOOST_TEST(hex(okm) == row.okm, row.why);
    Bytes both(okm.size());
    hkdf(unhex(row.salt), unhex(row.input), unhex(row.info), both);
    BOOST_TEST(hex(both) == row.okm, row.why);
  }
}

BOOST_AUTO_TEST_CASE(sha256_and_hmac_join_their_parts) {
  // FIPS 180-4 "abc"; RFC 4231 test case 2
  BOOST_TEST(hex(sha256({bytes_of("a"), {}, bytes_of("bc")})) ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(hex(hmac_sha256(bytes_of("Jefe"),
                             {bytes_of("what do ya want "), bytes_of("for nothing?")})) ==
             "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Key key_of(std::uint8_t fill) {
  Key key;
  std::fill(key.fill().begin(), key.fill().end(), fill);
  return key;
}

BOOST_AUTO_TEST_CASE(gcm_matches_specification_vectors) {
  // McGrew and Viega, test case 14: zero key, zero nonce, one zero block.
  Bytes sealed;
  gcm_seal(Key(), GcmNonce{}, {}, Bytes(16), sealed);
  BOOST_TEST(hex(sealed) == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  // Test case 13: nothing at all.
  Bytes tag;
  gcm_seal(Key(), GcmNonce{}, {}, {}, tag);
  BOOST_TEST(hex(tag) == "530f8afbc74536b9a963b4f1c4cb738b");
}

BOOST_AUTO_TEST_CASE(gcm_opens_only_what_was_sealed) {
  const Bytes plaintext = {1, 2, 3, 4, 5};
  const Bytes associated = {9, 9};
  Bytes sealed;
  gcm_seal(key_of(1), GcmNonce{1}, associated, plaintext, sealed);
  BOOST_TEST(gcm_open(key_of(1), GcmNonce{1}, associated, sealed).value() == plaintext,
             boost::test_tools::per_element());

  BOOST_TEST(!gcm_open(key_of(2), GcmNonce{1}, associated, sealed).has_value());
  BOOST_TEST(!gcm_open(key_of(1), GcmNonce{2}, associated, sealed).has_value());
  BOOST_TEST(!gcm_open(key_of(1), GcmNonce{1}, {}, sealed).has_value());
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    Bytes changed = sealed;
    changed[i / 8] ^= static_cast<std::uint8_t>(1U << i % 8);
    BOOST_TEST(!gcm_open(key_of(1), GcmNonce{1}, associated, changed).has_value());
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    BOOST_TEST(
        !gcm_open(key_of(1), GcmNonce{1}, associated, ByteView(sealed).first(size)).has_value());
  }
}

BOOST_AUTO_TEST_CASE(gcm_appends_to_output) {
  Bytes out = {7};
  gcm_seal(key_of(1), GcmNonce{}, {}, Bytes{1}, out);
  BOOST_TEST(out.size() == 1 + 1 + kTagSize);
  BOOST_TEST(out[0] == 7);
}

BOOST_AUTO_TEST_CASE(x25519_matches_rfc_7748) {
  // RFC 7748, section 6.1
  const Key alice(unhex<32>("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const Key bob(unhex<32>("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  BOOST_TEST(hex(x25519_public(alice)) ==
             "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  BOOST_TEST(hex(x25519_public(bob)) ==
             "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  BOOST_TEST(hex(x25519(alice, x25519_public(bob)).value().reveal()) == shared);
  BOOST_TEST(hex(x25519(bob, x25519_public(alice)).value().reveal()) == shared);
}

BOOST_AUTO_TEST_CASE(x25519_rejects_points_of_small_order) {
  const std::pair<const char*, const char*> points[] = {
      {"0000000000000000000000000000000000000000000000000000000000000000", "0"},
      {"0100000000000000000000000000000000000000000000000000000000000000", "1"},
      {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "p - 1"},
      {"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "p, that is 0"},
      {"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "p + 1, that is 1"},
      {"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "of order 8"},
      {"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", "of order 8"},
  };
  for (const auto& [point, why] : points) {
    BOOST_TEST(!x25519(random_key(), {unhex<32>(point)}).has_value(), why);
  }
}

BOOST_AUTO_TEST_CASE(random_bytes_fill_buffer_and_do_not_repeat) {
  Bytes large(100'000);
  random_bytes(large);
  BOOST_TEST(std::count(large.begin(), large.end(), 0) < 1000);  // 390 expected
  BOOST_TEST((random_array<16>() != random_array<16>()));
}

}  // namespace
}  // namespace sealpost::crypto
