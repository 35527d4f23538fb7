#include "admin/keys.h"

#include <algorithm>
#include <set>
#include <string>

#include "store/clients.h"

namespace sealpost {
namespace {

// The names of clients or of sessions, sorted, each once.
template <class Row>
std::string names_of(const std::vector<Row>& rows) {
  std::set<std::string> sorted;
  for (const Row& row : rows) sorted.insert(row.name);
  std::string names;
  for (const std::string& name : sorted) names.append(names.empty() ? "" : ", ").append(name);
  return names;
}

// With a credential under the key that stands, also a former one.
std::vector<ClientRow> clients_under(Clients& clients, Kid kid, Time now) {
  std::vector<ClientRow> under = clients.list();
  std::erase_if(under, [&](const ClientRow& row) {
    const auto former = valid_former(row, now);
    return row.revoked_at || (row.kid != kid && (!former || former->kid != kid));
  });
  return under;
}

std::vector<SessionRow> sessions_under(Clients& clients, Kid kid, Time now) {
  std::vector<SessionRow> under = clients.sessions(now);
  std::erase_if(under, [&](const SessionRow& row) { return row.kid != kid; });
  return under;
}

void require_unused(Clients& clients, Kid kid, Time now) {
  const std::string key = "key " + std::to_string(kid);
  const std::vector<ClientRow> holders = clients_under(clients, kid, now);
  if (!holders.empty()) {
    throw Fault("These clients still have a credential under " + key + ": " + names_of(holders) +
                ". Run `sealpost client renew` for each, and wait until each uses its new "
                "credential. --force locks them out.");
  }
  const std::vector<SessionRow> sessions = sessions_under(clients, kid, now);
  if (!sessions.empty()) {
    throw Fault("These clients still have a session under " + key + ": " + names_of(sessions) +
                ". Wait until each has installed its new credential, or use --force to end the "
                "sessions.");
  }
}

}  // namespace

std::vector<KeyUse> list_keys(const Home& home, Database& database, Time now) {
  Clients clients(database);
  std::vector<KeyUse> keys;
  const Kid newest = home.newest_kid();
  for (const Home::KeyFile& key : home.keys()) {
    keys.push_back({key.kid, key.made_at, clients_under(clients, key.kid, now).size(),
                    sessions_under(clients, key.kid, now).size(), key.kid == newest});
  }
  return keys;
}

Kid rotate_key(const Home& home, Database& database) {
  Kid used = 0;
  for (const ClientRow& row : Clients(database).list()) used = std::max(used, row.kid);
  return home.add_key(used);
}

void retire_key(const Home& home, Database& database, Kid kid, Retire retire, Time now) {
  Clients clients(database);
  if (retire == Retire::kIfUnused) require_unused(clients, kid, now);
  home.remove_key(kid);
  clients.end_sessions_under(kid);
}

}  // namespace sealpost
