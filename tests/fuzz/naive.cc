#include "fuzz/naive.h"

#include "fuzz/fuzz.h"

namespace sealpost::fuzz {

std::uint64_t naive_number(ByteView bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number * 256 + bytes[at + i];
  return number;
}

std::optional<NaiveClaimsProof> naive_statement(ByteView bytes, std::size_t& at,
                                                bool hmac_in_clear) {
  if (bytes.size() < at + 26) return std::nullopt;
  NaiveClaimsProof statement{
      naive_number(bytes, at, 8), bytes_from(bytes.subspan(at + 8, 16)), {}, {}};
  const std::size_t claims = naive_number(bytes, at + 24, 2);
  at += 26;
  if (bytes.size() < at + claims + 1) return std::nullopt;
  statement.claims = bytes_from(bytes.subspan(at, claims));
  at += claims;
  const std::size_t hmac = bytes[at];
  ++at;
  if (hmac != (hmac_in_clear ? 0 : 32) || bytes.size() < at + hmac) return std::nullopt;
  statement.key_use_hmac = bytes_from(bytes.subspan(at, hmac));
  at += hmac;
  if (!Claims::decode(statement.claims)) return std::nullopt;
  return statement;
}

}  // namespace sealpost::fuzz
