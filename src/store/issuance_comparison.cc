#include "store/issuance_comparison.h"

#include "store/sql.h"

namespace sealpost {
namespace {

bool ends_sessions(const Issuance& issue) { return issue.kind != Issuance::Kind::kIssue; }

// Before its client: a session refers to it.
void delete_sessions(SQLite::Database& handle, const Issuance& issue) {
  SQLite::Statement end(handle, R"sql(
      DELETE FROM session
      WHERE name = ?1 AND (SELECT generation FROM client WHERE name = ?1) <= ?2)sql");
  Query(end, issue.name, issue.generation).run();
}

void remove_client(SQLite::Database& handle, const Issuance& issue) {
  SQLite::Statement remove(handle, "DELETE FROM client WHERE name = ? AND generation <= ?");
  Query(remove, issue.name, issue.generation).run();
}

// A revocation keeps the time of issue, from which a renewal computes the credential's lifetime.
void put_client(SQLite::Database& handle, const Issuance& issue) {
  SQLite::Statement put(handle, R"sql(
      INSERT INTO client (name, generation, kid, claims, issued_at, revoked_at, former, former_kid,
                          former_until)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET
        generation = excluded.generation,
        kid = excluded.kid,
        claims = excluded.claims,
        issued_at = iif(excluded.revoked_at IS NULL, excluded.issued_at, client.issued_at),
        revoked_at = excluded.revoked_at,
        former = excluded.former,
        former_kid = excluded.former_kid,
        former_until = excluded.former_until
      WHERE excluded.generation > client.generation
        OR (excluded.generation = client.generation AND excluded.revoked_at IS NOT NULL))sql");
  Query query(put, issue.name, issue.generation, int{issue.kid}, issue.claims, issue.at);
  if (ends_sessions(issue)) bind_value(put, 6, issue.at);
  if (issue.former) {
    bind_value(put, 7, issue.former->generation);
    bind_value(put, 8, int{issue.former->kid});
    bind_value(put, 9, issue.former->until);
  }
  query.run();
}

}  // namespace

bool is_issuance_log_known(SQLite::Database& handle, const std::string& path) {
  SQLite::Statement select(handle, "SELECT issuance_length, issuance_line FROM server");
  Query known(select);
  if (!known.row()) return false;
  const IssuanceLogEnd end = end_of_issuance_log(path);
  if (end.length != static_cast<std::uint64_t>(known.number(0))) return false;
  return end.length == 0 || (!known.is_null(1) && known.id<crypto::Digest>(1) == end.last_line);
}

void apply_issuance(SQLite::Database& handle, const Issuance& issue) {
  if (ends_sessions(issue)) delete_sessions(handle, issue);
  if (issue.kind == Issuance::Kind::kRemove) return remove_client(handle, issue);
  put_client(handle, issue);
}

void apply_issuance_log(SQLite::Database& handle, const std::string& path) {
  for (const auto& [name, issue] : read_issuance_log(path)) apply_issuance(handle, issue);
  note_issuance_log(handle, path);
}

void note_issuance_log(SQLite::Database& handle, const std::string& path) {
  const IssuanceLogEnd end = end_of_issuance_log(path);
  SQLite::Statement note(handle, "UPDATE server SET issuance_length = ?, issuance_line = ?");
  Query(note, end.length, end.last_line).run();
}

}  // namespace sealpost
