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
#include "store/home.h"

namespace sealpost {

// What the operator asks for.
struct ClaimsRequest {
  std::optional<std::string> role;
  std::vector<std::string> claims;       // KEY=VALUE
  std::string expires;                   // a duration such as 90d; empty: as `lifetime` says
  std::optional<Milliseconds> lifetime;  // of the former credential; none: no limit
};

// The claims that a client was issued.
[[nodiscard]] Claims::Map claims_of(const ClientRow& client);

// Merges a request into the claims of the former credential; pass none for a new client.  Claims
// that the request does not name stay the same, except not_before, which is dropped, and not_after,
// which begins anew: `lifetime` after now.
//
// Throws UsageError if the claims cannot be issued or a credential with them could never be used.
[[nodiscard]] Claims merge_claims(Claims::Map former, const ClaimsRequest& request, Time now);

enum class Standing : std::uint8_t { kValid, kNotYet, kExpired, kRevoked, kNoKey };

// How long after its issue a client's credential ends.  Nothing if it does not end.
[[nodiscard]] std::optional<Milliseconds> lifetime_of(const ClientRow& client);

// Whether the client's credential can be used now, with the master keys of the home.
[[nodiscard]] Standing standing_of(const ClientRow& client, const std::vector<Home::KeyFile>& keys,
                                   Time now);
// "valid", "not yet", "expired", "revoked" or "no key".
[[nodiscard]] std::string_view name_of(Standing standing);

}  // namespace sealpost
