// XAES-256-GCM: AES-256-GCM with a 24-byte nonce.  Half of it can be random, so nonces stay
// distinct even if the counter in the other half was restored from an old copy. Source: the C2SP
// specification "XAES-256-GCM".
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace sealpost::crypto {

using XaesNonce = ByteArray<24>;

// Appends the ciphertext and its 16-byte tag to `out`.  A nonce must never repeat under the same
// key.
void xaes_seal(const Key& key, const XaesNonce& nonce, ByteView associated, ByteView plaintext,
               Bytes& out);

// Returns the plaintext, or nothing if key, nonce, associated data or any bit differs.
[[nodiscard]] std::optional<Bytes> xaes_open(const Key& key, const XaesNonce& nonce,
                                             ByteView associated, ByteView sealed);

}  // namespace sealpost::crypto
