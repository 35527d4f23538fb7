// Second readers for what lies inside a seal (PROTOCOL 5, 6): by index, with no cursor.
#pragma once

#include <optional>

#include "protocol/record.h"

namespace sealpost::fuzz {

// receipt, lp16(claims block), lp8(key_use_hmac or empty), from `at` on, which is moved behind
// them. Nothing where they are not there or, without one in clear, hold no MAC.
struct NaiveClaimsProof {
  std::uint64_t next;
  Bytes proof;
  Bytes claims;  // a block that Claims::decode takes
  Bytes key_use_hmac;
};
std::optional<NaiveClaimsProof> naive_statement(ByteView bytes, std::size_t& at,
                                                bool hmac_in_clear);

std::uint64_t naive_number(ByteView bytes, std::size_t at, std::size_t size);

}  // namespace sealpost::fuzz
