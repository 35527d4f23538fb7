// XAES-256-GCM: AES-256-GCM with a 24-byte nonce, so that a random half is enough to keep two seals
// apart even where a counter has been restored from a copy.
// Source: the C2SP specification "XAES-256-GCM".
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace sealpost::crypto {

using XaesNonce = ByteArray<24>;

// Appends ciphertext and 16-byte tag to `out`.
void xaes_seal(const Key& key, const XaesNonce& nonce, ByteView associated, ByteView plaintext,
               Bytes& out);

// The plaintext, or nothing if key, nonce, associated data or a single bit differ.
[[nodiscard]] std::optional<Bytes> xaes_open(const Key& key, const XaesNonce& nonce,
                                             ByteView associated, ByteView sealed);

}  // namespace sealpost::crypto
