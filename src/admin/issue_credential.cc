#include "admin/issue_credential.h"

#include "admin/usage_error.h"

namespace sealpost {

void require_client_name(const std::string& name) {
  if (is_name(name)) return;
  throw UsageError(
      "A client's name is 1-64 characters of A-Z a-z 0-9 . _ -, the first a letter or digit.");
}

Claims claims_to_issue(Database& database, const std::string& name, IssueKind kind,
                       const ClaimsRequest& request, Time now) {
  Claims::Map former;
  if (kind == IssueKind::kRenewal) former = claims_of(Clients(database).find(name));
  return merge_claims(std::move(former), request, now);
}

Credential issue_credential(const Home& home, Database& database, const std::string& name,
                            IssueKind kind, Claims claims, const std::string& url, Time now) {
  Clients clients(database);
  const Keyring keyring = home.keyring();
  const Kid kid = home.newest_kid();
  const Generation generation = kind == IssueKind::kRenewal ? clients.renew(name, kid, claims, now)
                                                            : clients.add(name, kid, claims, now);
  return Credential::issue(keyring, kid, name, generation, std::move(claims), url);
}

}  // namespace sealpost
