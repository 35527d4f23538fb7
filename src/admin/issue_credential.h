// Issuing credentials to clients.
#pragma once

#include <cstdint>
#include <string>

#include "admin/claims.h"
#include "protocol/credential.h"
#include "store/home.h"

namespace sealpost {

enum class IssueKind : std::uint8_t { kNewClient, kRenewal };

// Throws UsageError unless `name` can be a client's name.
void require_client_name(const std::string& name);

// The claims of the credential to issue: those of the request, merged into the client's own for a
// renewal.  Throws UsageError as merge_claims() does, and Fault if a renewal's client does not
// exist.
[[nodiscard]] Claims claims_to_issue(Database& database, const std::string& name, IssueKind kind,
                                     const ClaimsRequest& request, Time now);

// Records a credential under the newest master key and returns it.  A renewal revokes the client's
// former credential.  Throws Fault if a new client exists already or a renewal's does not.
[[nodiscard]] Credential issue_credential(const Home& home, Database& database,
                                          const std::string& name, IssueKind kind, Claims claims,
                                          const std::string& url, Time now);

}  // namespace sealpost
