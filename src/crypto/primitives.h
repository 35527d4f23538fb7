// All cryptographic primitives of sealpost.  Each has one fixed algorithm.  Only this directory
// uses OpenSSL.
//
// All functions throw Fault if OpenSSL or the kernel fails.  An error that a peer can cause is a
// return value.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/id.h"
#include "crypto/secret.h"

struct evp_cipher_ctx_st;  // OpenSSL's

namespace sealpost::crypto {

using Digest = Id<struct DigestTag, 32>;
using PublicKey = Id<struct PublicKeyTag, 32>;
using GcmNonce = ByteArray<12>;
constexpr std::size_t kTagSize = 16;

// Initializes OpenSSL without its configuration file and its tables of algorithm names, which this
// program does not use.  Call it before any other function here.  It halves the start time of a CGI
// process.
void start_lean();

// Uses each primitive once, so that OpenSSL initializes all of them.  An initialization that fails
// later, for lack of memory, would not be repeated.  For processes that serve several requests.
void start_fully();

// "OpenSSL 3.0.19 27 Jan 2026"
[[nodiscard]] std::string library_version();

// SHA-256 of the concatenated parts (FIPS 180-4).
[[nodiscard]] Digest sha256(std::initializer_list<ByteView> parts);

// HMAC-SHA-256 of the concatenated parts (RFC 2104).
[[nodiscard]] Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

// HKDF with SHA-256 (RFC 5869).  An empty salt means 32 zero bytes, as in the RFC.
[[nodiscard]] Key hkdf_extract(ByteView salt, ByteView input);
void hkdf_expand(const Key& pseudorandom_key, ByteView info, std::span<std::uint8_t> out);
void hkdf(ByteView salt, ByteView input, ByteView info, std::span<std::uint8_t> out);

// AES-256-GCM with a 12-byte nonce (NIST SP 800-38D).  A nonce must never repeat under the same
// key.
//
// gcm_seal appends the ciphertext and its 16-byte tag to `out`.  gcm_open takes both together and
// returns the plaintext.  It returns nothing if key, nonce, associated data or any bit differs.
void gcm_seal(const Key& key, const GcmNonce& nonce, ByteView associated, ByteView plaintext,
              Bytes& out);
[[nodiscard]] std::optional<Bytes> gcm_open(const Key& key, const GcmNonce& nonce,
                                            ByteView associated, ByteView sealed);

// AES-256 on one block of 16 bytes.  Only XAES may use it, to derive keys.  A thread can have one
// Aes256 at a time.
class Aes256 {
 public:
  explicit Aes256(const Key& key);
  [[nodiscard]] ByteArray<16> encrypt(const ByteArray<16>& block) const;

 private:
  evp_cipher_ctx_st* context_;
};

// X25519 (RFC 7748).  x25519() returns nothing if the shared secret would be all zero, which means
// that the peer sent a point of small order.
[[nodiscard]] PublicKey x25519_public(const Key& private_key);
[[nodiscard]] std::optional<Key> x25519(const Key& private_key, const PublicKey& peer);

// Reads from the kernel at every call.  A generator of our own could repeat its output after a fork
// or in a cloned machine.
void random_bytes(std::span<std::uint8_t> out);

template <std::size_t N>
[[nodiscard]] ByteArray<N> random_array() {
  ByteArray<N> out;
  random_bytes(out);
  return out;
}

// A random Id (base/id.h), such as random_id<SessionId>().
template <class T>
[[nodiscard]] T random_id() {
  return {random_array<T::kSize>()};
}

[[nodiscard]] inline Key random_key() {
  Key key;
  random_bytes(key.fill());
  return key;
}

}  // namespace sealpost::crypto
