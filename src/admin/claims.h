// The claims of a client: what the operator asks for, and whether they are valid now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "protocol/claims.h"
#include "store/clients.h"

namespace sealpost {

// What the operator asks for.
struct ClaimsRequest {
  std::optional<std::string> role;
  std::vector<std::string> claims;  // KEY=VALUE
  std::string expires;              // a duration such as 90d; empty: no limit
};

// The claims that a client was issued.
[[nodiscard]] Claims::Map claims_of(const ClientRow& client);

// Merges a request into the claims of the former credential; pass none for a new client.  Claims
// that the request does not name stay the same, except not_before and not_after, which are dropped.
//
// Throws UsageError if the claims cannot be issued or a credential with them could never be used.
[[nodiscard]] Claims merge_claims(Claims::Map former, const ClaimsRequest& request, Time now);

enum class Standing : std::uint8_t { kValid, kNotYet, kExpired, kRevoked };

// Whether the client's credential can be used now.
[[nodiscard]] Standing standing_of(const ClientRow& client, Time now);
// "valid", "not yet", "expired" or "revoked".
[[nodiscard]] std::string_view name_of(Standing standing);

}  // namespace sealpost
