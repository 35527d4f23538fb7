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
// renewal, which keeps the lifetime too unless the request says otherwise.  Throws UsageError as
// merge_claims() does, and Fault if a renewal's client does not exist.
[[nodiscard]] Claims claims_to_issue(Database& database, const std::string& name, IssueKind kind,
                                     const ClaimsRequest& request, Time now);

// Records a credential under the newest master key and returns it.  After a renewal the client's
// former credential stays valid for `grace`; a new client has none.  Throws Fault if a new client
// exists already or a renewal's does not.
[[nodiscard]] Credential issue_credential(const Home& home, Database& database,
                                          const std::string& name, IssueKind kind, Claims claims,
                                          Milliseconds grace, const std::string& url, Time now);

// What a renewal did, for the operator: the new credential, and until when the former one is valid.
[[nodiscard]] std::string describe_renewal(const ClientRow& client, Time now);

}  // namespace sealpost
