// Every primitive sealpost uses, each with one algorithm and no choice left to the caller.  This is
// the only room that names OpenSSL.  All functions throw Fault when OpenSSL or the kernel fails;
// what a peer can cause is a return value.
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

// Spares OpenSSL what this program never uses: its configuration file and the tables of algorithm
// names.  Must come before any other call here; halves the start of a CGI process.
void start_lean();

// Has OpenSSL set up all it sets up when first used: what fails then, for want of memory, stays as
// it is for good.  For a process that lives longer than one request.
void start_fully();

// "OpenSSL 3.0.19 27 Jan 2026"
[[nodiscard]] std::string library_version();

// SHA-256 of the parts, one after the other (FIPS 180-4).
[[nodiscard]] Digest sha256(std::initializer_list<ByteView> parts);

// HMAC-SHA-256 over the parts, one after the other (RFC 2104).
[[nodiscard]] Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

// HKDF with SHA-256 (RFC 5869).  An empty salt is 32 zero bytes, as the RFC says.
[[nodiscard]] Key hkdf_extract(ByteView salt, ByteView input);
void hkdf_expand(const Key& pseudorandom_key, ByteView info, std::span<std::uint8_t> out);
void hkdf(ByteView salt, ByteView input, ByteView info, std::span<std::uint8_t> out);

// AES-256-GCM with a 12-byte nonce, which must never repeat under a key (NIST SP 800-38D).
// gcm_seal appends ciphertext and 16-byte tag to `out`; gcm_open takes them together and gives the
// plaintext, or nothing if key, nonce, associated data or a single bit differ.
void gcm_seal(const Key& key, const GcmNonce& nonce, ByteView associated, ByteView plaintext,
              Bytes& out);
[[nodiscard]] std::optional<Bytes> gcm_open(const Key& key, const GcmNonce& nonce,
                                            ByteView associated, ByteView sealed);

// The bare block cipher, AES-256 on 16 bytes: XAES derives with it, nothing else may use it.  One
// at a time in a thread.
class Aes256 {
 public:
  explicit Aes256(const Key& key);
  [[nodiscard]] ByteArray<16> encrypt(const ByteArray<16>& block) const;

 private:
  evp_cipher_ctx_st* context_;
};

// X25519 (RFC 7748).  Nothing where the shared secret would be all zero, that is, where the peer
// sent a point of small order.
[[nodiscard]] PublicKey x25519_public(const Key& private_key);
[[nodiscard]] std::optional<Key> x25519(const Key& private_key, const PublicKey& peer);

// From the kernel each time: no state of our own that a fork or a cloned machine could repeat.
void random_bytes(std::span<std::uint8_t> out);

template <std::size_t N>
[[nodiscard]] ByteArray<N> random_array() {
  ByteArray<N> out;
  random_bytes(out);
  return out;
}

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
