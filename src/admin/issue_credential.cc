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
  if (kind == IssueKind::kNewClient) return merge_claims({}, request, now);
  const ClientRow client = Clients(database).find(name);
  ClaimsRequest renewal = request;
  renewal.lifetime = lifetime_of(client);
  return merge_claims(claims_of(client), renewal, now);
}

Credential issue_credential(const Home& home, Database& database, const std::string& name,
                            IssueKind kind, Claims claims, Milliseconds grace,
                            const std::string& url, Time now) {
  Clients clients(database);
  const Keyring keyring = home.keyring();
  const Kid kid = home.newest_kid();
  const Generation generation = kind == IssueKind::kRenewal
                                    ? clients.renew(name, kid, claims, now, grace)
                                    : clients.add(name, kid, claims, now);
  return Credential::issue(keyring, kid, name, generation, std::move(claims), url);
}

std::string describe_renewal(const ClientRow& client, Time now) {
  const auto life = lifetime_of(client);
  const std::string renewed =
      "The client " + client.name + " is renewed: generation " + std::to_string(client.generation) +
      (life ? ", which ends on " + iso_time(client.issued_at + *life) : ", without an end") + ". ";
  const auto former = valid_former(client, now);
  if (!former) return renewed + "Its former credentials are no longer valid.";
  return renewed + "Generation " + std::to_string(former->generation) +
         " stays valid until the client uses the new one, at most until " +
         iso_time(former->until) + ".";
}

}  // namespace sealpost
