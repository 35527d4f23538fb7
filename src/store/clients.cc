#include "store/clients.h"

#include "store/issuance_log.h"
#include "store/sql.h"

namespace sealpost {
namespace {

// The greatest generation of a name, in the database or in the issuance log; 0 for a new name.
Generation reached(const std::vector<ClientRow>& row, const std::map<std::string, Issuance>& issues,
                   const std::string& name) {
  const auto issued = issues.find(name);
  return std::max(row.empty() ? 0 : row.front().generation,
                  issued == issues.end() ? 0 : issued->second.generation);
}

Fault no_such_client(const std::string& name) {
  return Fault("There is no client " + name + ". `sealpost client list` lists all clients.");
}

}  // namespace

Generation Clients::add(const std::string& name, Kid kid, const Claims& claims, Time now) {
  return issue(name, kid, claims, false, now);
}

Generation Clients::renew(const std::string& name, Kid kid, const Claims& claims, Time now) {
  return issue(name, kid, claims, true, now);
}

// The keys of the ended sessions lie in the WAL until it is emptied.
void Clients::revoke(const std::string& name, Time now) {
  withdraw(name, false, now);
  (void)database_.trim_wal(true);
}

void Clients::remove(const std::string& name, Time now) {
  withdraw(name, true, now);
  (void)database_.trim_wal(true);
}

Generation Clients::issue(const std::string& name, Kid kid, const Claims& claims, bool must_exist,
                          Time now) {
  Write write(database_);
  const std::vector<ClientRow> row = select("WHERE name = ?", name);
  if (must_exist && row.empty()) throw no_such_client(name);
  if (!must_exist && !row.empty()) {
    throw Fault("The client " + name + " exists already. `sealpost client renew " + name +
                "` issues a new credential.");
  }
  const std::string& file = database_.paths().issuance_log;
  const Generation generation = reached(row, read_issuance_log(file), name) + 1;
  append_issuance(file, {Issuance::Kind::kIssue, name, generation, kid, claims.json(), now});

  SQLite::Statement put(database_.handle(), R"sql(
      INSERT INTO client (name, generation, kid, claims, issued_at, revoked_at)
      VALUES (?, ?, ?, ?, ?, NULL)
      ON CONFLICT (name) DO UPDATE SET
        generation = excluded.generation,
        kid = excluded.kid,
        claims = excluded.claims,
        issued_at = excluded.issued_at,
        revoked_at = NULL)sql");
  Query(put, name, generation, static_cast<int>(kid), claims.json(), now).run();
  write.commit();
  return generation;
}

void Clients::withdraw(const std::string& name, bool remove, Time now) {
  Write write(database_);
  const std::vector<ClientRow> row = select("WHERE name = ?", name);
  if (row.empty()) throw no_such_client(name);
  const std::string& file = database_.paths().issuance_log;
  // One above every generation that was issued, so that every credential is revoked.
  const Generation generation = reached(row, read_issuance_log(file), name) + 1;
  const auto kind = remove ? Issuance::Kind::kRemove : Issuance::Kind::kRevoke;
  append_issuance(file, {kind, name, generation, row.front().kid, row.front().claims, now});

  SQLite::Statement end(database_.handle(), "DELETE FROM session WHERE name = ?");
  Query(end, name).run();
  if (remove) {
    SQLite::Statement forget(database_.handle(), "DELETE FROM client WHERE name = ?");
    Query(forget, name).run();
  } else {
    SQLite::Statement raise(database_.handle(),
                            "UPDATE client SET generation = ?2, revoked_at = ?3 WHERE name = ?1");
    Query(raise, name, generation, now).run();
  }
  write.commit();
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
             (SELECT max(message.received_at)
              FROM message JOIN installation ON installation.id = message.installation
              WHERE installation.name = client.name)
      FROM client )sql") + where + " ORDER BY name");
  Query query(statement, name);
  std::vector<ClientRow> rows;
  while (query.row()) {
    const auto time = [&](int column) -> std::optional<Time> {
      if (query.is_null(column)) return std::nullopt;
      return query.time(column);
    };
    rows.push_back({query.text(0), static_cast<Generation>(query.number(1)),
                    static_cast<Kid>(query.number(2)), query.text(3), query.time(4), time(5),
                    time(6)});
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
