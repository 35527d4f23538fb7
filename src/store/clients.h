// The operator's view of clients and their sessions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "protocol/claims.h"
#include "store/database.h"
#include "store/issuance_log.h"

namespace sealpost {

struct ClientRow {
  std::string name;
  Generation generation = 0;
  Kid kid = 0;
  std::string claims;  // a JSON object
  Time issued_at;
  std::optional<Time> revoked_at;
  std::optional<FormerCredential> former;  // also if it has ended
  std::optional<Time> last_message_at;
};

// How long a renewed client may go on under its former credential, unless the operator says
// otherwise.
constexpr Milliseconds kGrace = 7 * 24 * kHour;

// The former credential of a client that may still use it now.
[[nodiscard]] std::optional<FormerCredential> valid_former(const ClientRow& client, Time now);

struct SessionRow {
  SessionId id;
  std::string name;
  bool active;
  Kid kid;
  Time begun_at;
  Time live_until;
};

// Every change is appended to the issuance log first, under the write lock, and then committed. All
// functions throw Fault, with a sentence for the operator, if they cannot do it.
class Clients {
 public:
  explicit Clients(Database& database) : database_(database) {}

  // Returns the new client's generation: 1, or one more than a removed client of that name had.
  // Throws if the name exists.
  Generation add(const std::string& name, Kid kid, const Claims& claims, Time now);
  // Returns the next generation of an existing client.  The credential that the client uses now
  // stays valid until the first record of the new one, at most for `grace`.  Without a grace it is
  // revoked: its sessions hear `revoked` at their next record.
  Generation renew(const std::string& name, Kid kid, const Claims& claims, Time now,
                   Milliseconds grace = kGrace);
  // Revokes every credential of the client, the former too, and ends its sessions.
  void revoke(const std::string& name, Time now);
  // The same, and deletes the client.  Its messages stay until they are pruned.
  void remove(const std::string& name, Time now);

  [[nodiscard]] std::vector<ClientRow> list();
  // Throws if there is none.
  [[nodiscard]] ClientRow find(const std::string& name);

  // Live sessions, by name, then time.
  [[nodiscard]] std::vector<SessionRow> sessions(Time now);
  // Ends every session of a client, or of all clients.  Returns how many.
  int end_sessions(const std::optional<std::string>& name);
  // Ends the sessions under a master key.  Returns how many.
  int end_sessions_under(Kid kid);

 private:
  void apply_new_issuances();
  Generation next_generation(const std::string& name);
  void record(const Issuance& issue);
  int end_sessions_where(const std::string& condition,
                         const std::function<void(SQLite::Statement&)>& bind);
  void withdraw(const std::string& name, Issuance::Kind kind, Time now);
  std::vector<ClientRow> select(const char* where, const std::string& name);

  Database& database_;
};

}  // namespace sealpost
