// What a client states of itself inside every seal: how far the server has counted it, its claims,
// and the MAC that shows it was issued them.  The same bytes in a handshake and in a record
// (PROTOCOL 5, 6).
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

  // receipt, lp16(claims block), lp8(key_use_hmac or empty).  `in_clear` is the form's field: of
  // the two places exactly one must hold the MAC.
  [[nodiscard]] static Result<ClaimsProof, Reason> read(Reader& reader,
                                                        const std::optional<KeyUseHmac>& in_clear);
  void write(Writer& writer, bool hmac_in_clear) const;
};

// Whether name and generation were issued these claims under kid; in constant time.
[[nodiscard]] bool was_issued(const Keyring& keyring, Kid kid, const Installation& to,
                              const ClaimsProof& proof);

}  // namespace sealpost
