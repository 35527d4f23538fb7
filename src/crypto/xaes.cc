#include "crypto/xaes.h"

#include "crypto/primitives.h"

namespace sealpost::crypto {
namespace {

// Derives the key from the first half of the nonce: subkey K1 of CMAC, then two blocks of the KDF
// in counter mode.
Key key_for(const Key& key, const XaesNonce& nonce) {
  const Aes256 aes(key);
  ByteArray<16> k1 = aes.encrypt({});
  std::uint8_t carry = 0;
  for (std::size_t i = k1.size(); i-- > 0;) {
    const auto next = static_cast<std::uint8_t>(k1[i] >> 7);
    k1[i] = static_cast<std::uint8_t>(k1[i] << 1 | carry);
    carry = next;
  }
  k1[15] ^= static_cast<std::uint8_t>(0x87 & -carry);  // without a branch on a key bit

  Key derived;
  for (std::size_t half = 0; half < 2; ++half) {
    ByteArray<16> block{0, static_cast<std::uint8_t>(half + 1), 'X', 0};
    std::copy_n(nonce.begin(), 12, block.begin() + 4);
    for (std::size_t i = 0; i < block.size(); ++i) block[i] ^= k1[i];
    ByteArray<16> out = aes.encrypt(block);
    std::copy(out.begin(), out.end(), derived.fill().subspan(16 * half).begin());
    explicit_bzero(out.data(), out.size());
  }
  explicit_bzero(k1.data(), k1.size());
  return derived;
}

GcmNonce nonce_for(const XaesNonce& nonce) {
  GcmNonce second_half;
  std::copy(nonce.begin() + 12, nonce.end(), second_half.begin());
  return second_half;
}

}  // namespace

void xaes_seal(const Key& key, const XaesNonce& nonce, ByteView associated, ByteView plaintext,
               Bytes& out) {
  gcm_seal(key_for(key, nonce), nonce_for(nonce), associated, plaintext, out);
}

std::optional<Bytes> xaes_open(const Key& key, const XaesNonce& nonce, ByteView associated,
                               ByteView sealed) {
  return gcm_open(key_for(key, nonce), nonce_for(nonce), associated, sealed);
}

}  // namespace sealpost::crypto
