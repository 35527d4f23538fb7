#include "store/clients.h"

#include "store/issuance_comparison.h"
#include "store/sql.h"

namespace sealpost {
namespace {

// The former of a renewed client: the one that it has already, if that is still valid.  So of two
// renewals the first, which was never used, ends at once (PROTOCOL 3).
std::optional<FormerCredential> former_after_renewal(const ClientRow& row, Milliseconds grace,
                                                     Time now) {
  if (row.revoked_at || grace == Milliseconds::zero()) return std::nullopt;
  const auto former = valid_former(row, now);
  if (former) return FormerCredential{former->generation, former->kid, now + grace};
  return FormerCredential{row.generation, row.kid, now + grace};
}

Fault no_such_client(const std::string& name) {
  return Fault("There is no client " + name + ". `sealpost client list` lists all clients.");
}

}  // namespace

std::optional<FormerCredential> valid_former(const ClientRow& client, Time now) {
  if (client.revoked_at || !client.former || client.former->until <= now) return std::nullopt;
  return client.former;
}

Generation Clients::add(const std::string& name, Kid kid, const Claims& claims, Time now) {
  Write write(database_);
  apply_new_issuances();
  if (!select("WHERE name = ?", name).empty()) {
    throw Fault("The client " + name + " exists already. `sealpost client renew " + name +
                "` issues a new credential.");
  }
  const Generation generation = next_generation(name);
  record({Issuance::Kind::kIssue, name, generation, kid, claims.json(), now, {}});
  write.commit();
  return generation;
}

Generation Clients::renew(const std::string& name, Kid kid, const Claims& claims, Time now,
                          Milliseconds grace) {
  Write write(database_);
  apply_new_issuances();
  const auto former = former_after_renewal(find(name), grace, now);
  const Generation generation = next_generation(name);
  record({Issuance::Kind::kIssue, name, generation, kid, claims.json(), now, former});
  write.commit();
  return generation;
}

// The keys of the ended sessions lie in the WAL until it is emptied.
void Clients::revoke(const std::string& name, Time now) {
  withdraw(name, Issuance::Kind::kRevoke, now);
  (void)database_.trim_wal(true);
}

void Clients::remove(const std::string& name, Time now) {
  withdraw(name, Issuance::Kind::kRemove, now);
  (void)database_.trim_wal(true);
}

void Clients::withdraw(const std::string& name, Issuance::Kind kind, Time now) {
  Write write(database_);
  apply_new_issuances();
  const ClientRow row = find(name);
  record({kind, name, next_generation(name), row.kid, row.claims, now, {}});
  write.commit();
}

// A line that was appended by a process that was killed before it committed.
void Clients::apply_new_issuances() {
  const std::string& log = database_.paths().issuance_log;
  if (!is_issuance_log_known(database_.handle(), log)) {
    apply_issuance_log(database_.handle(), log);
  }
}

// One above every generation of the name in the database and in the issuance log.
Generation Clients::next_generation(const std::string& name) {
  const std::map<std::string, Issuance> issues = read_issuance_log(database_.paths().issuance_log);
  const auto issued = issues.find(name);
  const std::vector<ClientRow> row = select("WHERE name = ?", name);
  return std::max(row.empty() ? 0 : row.front().generation,
                  issued == issues.end() ? 0 : issued->second.generation) +
         1;
}

// The line is on disk before the database hears of it.
void Clients::record(const Issuance& issue) {
  append_issuance(database_.paths().issuance_log, issue);
  apply_issuance(database_.handle(), issue);
  note_issuance_log(database_.handle(), database_.paths().issuance_log);
}

std::vector<ClientRow> Clients::list() { return select("WHERE name <> ?", ""); }

ClientRow Clients::find(const std::string& name) {
  const std::vector<ClientRow> row = select("WHERE name = ?", name);
  if (row.empty()) throw no_such_client(name);
  return row.front();
}

std::vector<ClientRow> Clients::select(const char* where, const std::string& name) {
  SQLite::Statement statement(database_.handle(), std::string(R"sql(
      SELECT name, generation, kid, claims, issued_at, revoked_at,
             (SELECT max((SELECT received_at FROM message
                          WHERE message.installation = installation.id
                          ORDER BY counter DESC LIMIT 1))
              FROM installation
              WHERE installation.name = client.name),
             former, former_kid, former_until
      FROM client )sql") + where + " ORDER BY name");
  Query query(statement, name);
  std::vector<ClientRow> rows;
  while (query.row()) {
    const auto time = [&](int column) -> std::optional<Time> {
      if (query.is_null(column)) return std::nullopt;
      return query.time(column);
    };
    std::optional<FormerCredential> former;
    if (!query.is_null(7)) {
      former = FormerCredential{static_cast<Generation>(query.number(7)),
                                static_cast<Kid>(query.number(8)), query.time(9)};
    }
    rows.push_back({query.text(0), static_cast<Generation>(query.number(1)),
                    static_cast<Kid>(query.number(2)), query.text(3), query.time(4), time(5),
                    former, time(6)});
  }
  return rows;
}

std::vector<SessionRow> Clients::sessions(Time now) {
  SQLite::Statement statement(database_.handle(), R"sql(
      SELECT session_id, name, installation IS NOT NULL, kid, begun_at, live_until
      FROM session
      WHERE live_until > ?
      ORDER BY name, begun_at)sql");
  Query query(statement, now);
  std::vector<SessionRow> rows;
  while (query.row()) {
    rows.push_back({query.id<SessionId>(0), query.text(1), query.number(2) != 0,
                    static_cast<Kid>(query.number(3)), query.time(4), query.time(5)});
  }
  return rows;
}

int Clients::end_sessions(const std::optional<std::string>& name) {
  return end_sessions_where("?1 IS NULL OR name = ?1", [&](SQLite::Statement& end) {
    if (name) bind_value(end, 1, *name);
  });
}

int Clients::end_sessions_under(Kid kid) {
  return end_sessions_where("kid = ?1",
                            [&](SQLite::Statement& end) { bind_value(end, 1, int{kid}); });
}

int Clients::end_sessions_where(const std::string& condition,
                                const std::function<void(SQLite::Statement&)>& bind) {
  int ended = 0;
  {
    Write write(database_);
    SQLite::Statement end(database_.handle(), "DELETE FROM session WHERE " + condition);
    bind(end);
    ended = Query(end).run();
    write.commit();
  }
  (void)database_.trim_wal(true);
  return ended;
}

}  // namespace sealpost
