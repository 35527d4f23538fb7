#include "crypto/primitives.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <sys/random.h>

#include <cerrno>
#include <memory>

#include "base/result.h"

namespace sealpost::crypto {
namespace {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER, FreeWith<EVP_CIPHER_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using Hash = std::unique_ptr<EVP_MD, FreeWith<EVP_MD_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>>;
using Mac = std::unique_ptr<EVP_MAC, FreeWith<EVP_MAC_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, FreeWith<EVP_KDF_CTX_free>>;
using Kdf = std::unique_ptr<EVP_KDF, FreeWith<EVP_KDF_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;

void require(int result, const char* what) {  // OpenSSL returns exactly 1 on success
  if (result != 1) throw Fault(std::string("OpenSSL failed at ") + what);
}

template <class Handle>
Handle must(Handle handle, const char* what) {
  if (!handle) throw Fault(std::string("OpenSSL cannot provide ") + what);
  return handle;
}

int size_of(ByteView bytes) {
  if (bytes.size() > 1U << 30) throw Fault("cannot encrypt or decrypt more than 1 GiB at once");
  return static_cast<int>(bytes.size());
}

// To OpenSSL a null pointer means "not given", but the pointer of an empty span may be null.
const std::uint8_t* data_of(ByteView bytes) {
  static constexpr std::uint8_t kEmpty = 0;
  return bytes.empty() ? &kEmpty : bytes.data();
}

// Fetching an algorithm costs more than using it, so a process fetches it once and a thread makes
// one context.
EVP_MD* sha256_algorithm() {
  static const Hash hash = must(Hash(EVP_MD_fetch(nullptr, "SHA256", nullptr)), "SHA-256");
  return hash.get();
}

EVP_CIPHER* gcm_algorithm() {
  static const Cipher cipher =
      must(Cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)), "AES-256-GCM");
  return cipher.get();
}

EVP_CIPHER* block_algorithm() {
  static const Cipher cipher =
      must(Cipher(EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr)), "AES-256-ECB");
  return cipher.get();
}

template <class Context, auto New>
auto* context_of_this_thread(const char* what) {
  thread_local const Context context = must(Context(New()), what);
  return context.get();
}

// The context keeps its hash: naming the hash at every call would fetch it again.
EVP_MAC_CTX* new_hmac() {
  static const Mac mac = must(Mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr)), "HMAC");
  std::string hash = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash.data(), 0),
      OSSL_PARAM_construct_end(),
  };
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac.get());
  if (context != nullptr) require(EVP_MAC_CTX_set_params(context, parameters), "HMAC");
  return context;
}

EVP_KDF_CTX* new_hkdf() {
  static const Kdf kdf = must(Kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr)), "HKDF");
  return EVP_KDF_CTX_new(kdf.get());
}

// A cipher context keeps its key schedule until its next use; OpenSSL erases the schedule when it
// replaces or frees it.  Each cipher has a context of its own, because changing the cipher of a
// context costs more than using it.
EVP_CIPHER_CTX* gcm_context() {
  thread_local const CipherContext context = must(CipherContext(EVP_CIPHER_CTX_new()), "context");
  return context.get();
}

EVP_CIPHER_CTX* block_context() {
  thread_local const CipherContext context = must(CipherContext(EVP_CIPHER_CTX_new()), "context");
  return context.get();
}

OSSL_PARAM octets(const char* name, ByteView bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(data_of(bytes)),
                                           bytes.size());
}

void derive(int mode, ByteView salt, ByteView key, ByteView info, std::span<std::uint8_t> out) {
  EVP_KDF_CTX* context = context_of_this_thread<KdfContext, new_hkdf>("HKDF context");
  EVP_KDF_CTX_reset(context);
  std::string hash = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      octets(OSSL_KDF_PARAM_KEY, key),
      octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  require(EVP_KDF_derive(context, out.data(), out.size(), parameters), "HKDF");
  EVP_KDF_CTX_reset(context);  // else it keeps a copy of the key
}

PrivateKey private_key_of(const Key& key) {
  return must(PrivateKey(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr,
                                                         key.reveal().data(), Key::kSize)),
              "X25519");
}

}  // namespace

void start_lean() {
  require(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                                  OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
                              nullptr),
          "initialization");
}

void start_fully() {
  const Key key = random_key();
  Key derived;
  hkdf({}, key.reveal(), {}, derived.fill());
  Bytes sealed;
  gcm_seal(derived, GcmNonce{}, {}, hmac_sha256(key.reveal(), {}), sealed);
  (void)gcm_open(derived, GcmNonce{}, {}, sealed);
  (void)Aes256(key).encrypt({});
  (void)x25519(key, x25519_public(key));
}

std::string library_version() { return OpenSSL_version(OPENSSL_VERSION); }

bool equal(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(data_of(a), data_of(b), a.size()) == 0;
}

Digest sha256(std::initializer_list<ByteView> parts) {
  EVP_MD_CTX* context = context_of_this_thread<DigestContext, EVP_MD_CTX_new>("digest context");
  require(EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr), "SHA-256");
  for (const ByteView part : parts) {
    require(EVP_DigestUpdate(context, data_of(part), part.size()), "SHA-256");
  }
  Digest digest;
  require(EVP_DigestFinal_ex(context, digest.bytes.data(), nullptr), "SHA-256");
  return digest;
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  EVP_MAC_CTX* context = context_of_this_thread<MacContext, new_hmac>("HMAC context");
  require(EVP_MAC_init(context, data_of(key), key.size(), nullptr), "HMAC");
  for (const ByteView part : parts) {
    require(EVP_MAC_update(context, data_of(part), part.size()), "HMAC");
  }
  Digest digest;
  std::size_t size = 0;
  require(EVP_MAC_final(context, digest.bytes.data(), &size, Digest::kSize), "HMAC");
  return digest;
}

Key hkdf_extract(ByteView salt, ByteView input) {
  Key key;
  derive(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, salt, input, {}, key.fill());
  return key;
}

void hkdf_expand(const Key& pseudorandom_key, ByteView info, std::span<std::uint8_t> out) {
  derive(EVP_KDF_HKDF_MODE_EXPAND_ONLY, {}, pseudorandom_key.reveal(), info, out);
}

void hkdf(ByteView salt, ByteView input, ByteView info, std::span<std::uint8_t> out) {
  derive(EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, salt, input, info, out);
}

// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): the order of SP 800-38D.
void gcm_seal(const Key& key, const GcmNonce& nonce, ByteView associated, ByteView plaintext,
              Bytes& out) {
  EVP_CIPHER_CTX* context = gcm_context();
  require(EVP_EncryptInit_ex2(context, gcm_algorithm(), key.reveal().data(), nonce.data(), nullptr),
          "AES-GCM");
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kTagSize);
  std::uint8_t* to = out.data() + start;
  int written = 0;
  require(EVP_EncryptUpdate(context, nullptr, &written, data_of(associated), size_of(associated)),
          "AES-GCM");
  require(EVP_EncryptUpdate(context, to, &written, data_of(plaintext), size_of(plaintext)),
          "AES-GCM");
  require(EVP_EncryptFinal_ex(context, to + plaintext.size(), &written), "AES-GCM");
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagSize, to + plaintext.size()),
          "AES-GCM");
}

// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): as gcm_seal().
std::optional<Bytes> gcm_open(const Key& key, const GcmNonce& nonce, ByteView associated,
                              ByteView sealed) {
  if (sealed.size() < kTagSize) return std::nullopt;
  const ByteView ciphertext = sealed.first(sealed.size() - kTagSize);
  ByteArray<kTagSize> tag;
  std::copy(sealed.end() - kTagSize, sealed.end(), tag.begin());

  EVP_CIPHER_CTX* context = gcm_context();
  require(EVP_DecryptInit_ex2(context, gcm_algorithm(), key.reveal().data(), nonce.data(), nullptr),
          "AES-GCM");
  Bytes plaintext(ciphertext.size());
  std::uint8_t nothing = 0;
  std::uint8_t* to = plaintext.empty() ? &nothing : plaintext.data();
  int written = 0;
  require(EVP_DecryptUpdate(context, nullptr, &written, data_of(associated), size_of(associated)),
          "AES-GCM");
  require(EVP_DecryptUpdate(context, to, &written, data_of(ciphertext), size_of(ciphertext)),
          "AES-GCM");
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()), "AES-GCM");
  if (EVP_DecryptFinal_ex(context, to + ciphertext.size(), &written) != 1) return std::nullopt;
  return plaintext;
}

Aes256::Aes256(const Key& key) : context_(block_context()) {
  require(EVP_EncryptInit_ex2(context_, block_algorithm(), key.reveal().data(), nullptr, nullptr),
          "AES");
  EVP_CIPHER_CTX_set_padding(context_, 0);
}

ByteArray<16> Aes256::encrypt(const ByteArray<16>& block) const {
  ByteArray<16> out;
  int written = 0;
  require(EVP_EncryptUpdate(context_, out.data(), &written, block.data(), 16), "AES");
  return out;
}

PublicKey x25519_public(const Key& private_key) {
  const PrivateKey key = private_key_of(private_key);
  PublicKey out;
  std::size_t size = PublicKey::kSize;
  require(EVP_PKEY_get_raw_public_key(key.get(), out.bytes.data(), &size), "X25519");
  return out;
}

std::optional<Key> x25519(const Key& private_key, const PublicKey& peer) {
  const PrivateKey mine = private_key_of(private_key);
  const PrivateKey theirs =
      must(PrivateKey(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, peer.bytes.data(),
                                                     PublicKey::kSize)),
           "X25519");
  const KeyContext context =
      must(KeyContext(EVP_PKEY_CTX_new_from_pkey(nullptr, mine.get(), nullptr)), "X25519 context");
  require(EVP_PKEY_derive_init(context.get()), "X25519");
  require(EVP_PKEY_derive_set_peer(context.get(), theirs.get()), "X25519");
  Key shared;
  std::size_t size = Key::kSize;
  // Any 32 bytes are a point, so this fails only for the all-zero result, which OpenSSL rejects.
  if (EVP_PKEY_derive(context.get(), shared.fill().data(), &size) != 1) return std::nullopt;
  return shared;
}

void random_bytes(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Fault("cannot read random bytes from the kernel (getrandom failed)");
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace sealpost::crypto
