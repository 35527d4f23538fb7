// What a client proves inside every seal: its last receipt, its claims, and the MAC that shows that
// the claims were issued to it.  A handshake and a record contain the same bytes (PROTOCOL 5, 6).
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/claims.h"
#include "protocol/envelope.h"
#include "protocol/keyring.h"
#include "protocol/receipt.h"

namespace sealpost {

struct ClaimsProof {
  Receipt receipt;
  Claims claims;
  KeyUseHmac key_use_hmac;

  // receipt, lp16(claims block), lp8(key_use_hmac or empty).  The MAC must be either here or in the
  // form, not in both; `in_clear` is the form's field.
  [[nodiscard]] static Result<ClaimsProof, Reason> read(Reader& reader,
                                                        const std::optional<KeyUseHmac>& in_clear);
  void write(Writer& writer, bool hmac_in_clear) const;
};

// Whether these claims were issued to this name and generation under `kid`.  Compares in constant
// time.
[[nodiscard]] bool was_issued(const Keyring& keyring, Kid kid, const Installation& to,
                              const ClaimsProof& proof);

}  // namespace sealpost
