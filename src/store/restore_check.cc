#include "store/restore_check.h"

#include <set>

#include "base/result.h"
#include "store/issuance_log.h"
#include "store/schema.h"
#include "store/sql.h"

namespace sealpost {
namespace {

constexpr const char* kEverything = R"sql(
    SELECT schema.type || ' ' || schema.name || ' ' || coalesce(column.name, '')
    FROM sqlite_schema AS schema
    LEFT JOIN pragma_table_info(schema.name) AS column
    WHERE schema.name NOT LIKE 'sqlite_%')sql";

std::set<std::string> texts_of(SQLite::Database& handle, const char* select) {
  SQLite::Statement statement(handle, select);
  Query query(statement);
  std::set<std::string> texts;
  while (query.row()) texts.insert(query.text(0));
  return texts;
}

DatabaseContent content_of(SQLite::Database& handle) {
  SQLite::Statement statement(handle, R"sql(
      SELECT (SELECT count(*) FROM message), id, received_at
      FROM message
      ORDER BY id DESC
      LIMIT 1)sql");
  Query query(statement);
  if (!query.row()) return {};
  return {query.number(0), query.number(1), query.time(2)};
}

}  // namespace

void require_intact(SQLite::Database& copy, const std::string& file) {
  for (const char* check : {"PRAGMA integrity_check(1)", "PRAGMA foreign_key_check"}) {
    SQLite::Statement statement(copy, check);
    Query query(statement);
    if (query.row() && query.text(0) != "ok") {
      throw Fault(file + " is damaged: " + query.text(0) +
                  ". Nothing was changed. Name another backup.");
    }
  }
}

void require_newest_schema(SQLite::Database& copy, const std::string& file) {
  SQLite::Database newest(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  for (const std::string_view script : migrations()) newest.exec(std::string(script));
  const std::set<std::string> found = texts_of(copy, kEverything);
  for (const std::string& one : texts_of(newest, kEverything)) {
    if (!found.contains(one)) {
      throw Fault(file + " lacks the " + one + ". Nothing was changed. Name another backup.");
    }
  }
}

RestoreComparison compare(SQLite::Database& present, SQLite::Database& backup,
                          const std::string& issuance_log) {
  RestoreComparison found;
  found.present = content_of(present);
  found.backup = content_of(backup);
  SQLite::Statement statement(present, "SELECT count(*) FROM message WHERE id > ?");
  Query above(statement, found.backup.last_number);
  above.row();
  found.lost_messages = above.number(0);
  const std::set<std::string> kept = texts_of(backup, "SELECT name FROM client");
  const std::map<std::string, Issuance> issued = read_issuance_log(issuance_log);
  for (const std::string& name : texts_of(present, "SELECT name FROM client")) {
    if (!kept.contains(name) && !issued.contains(name)) found.lost_clients.push_back(name);
  }
  return found;
}

}  // namespace sealpost
