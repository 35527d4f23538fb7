// What `restore` finds out before it changes anything.
#pragma once

#include <SQLiteCpp/Database.h>

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace sealpost {

// Throws Fault, which names `file`, unless every page, index and reference of a copy is intact.
void require_intact(SQLite::Database& copy, const std::string& file);
// Throws Fault, which names `file`, unless the copy has the tables, columns, indexes, views and
// triggers of the newest schema.  The copy has been migrated.
void require_newest_schema(SQLite::Database& copy, const std::string& file);

struct DatabaseContent {
  std::int64_t messages = 0;
  std::int64_t last_number = 0;
  std::optional<Time> newest;  // when the message with that number was received
};

// What the database in place has and a backup does not have.
struct RestoreComparison {
  std::string unusable;  // why the database in place cannot be compared; empty if it can
  DatabaseContent present;
  DatabaseContent backup;
  std::int64_t lost_messages = 0;         // numbers above the backup's last
  std::vector<std::string> lost_clients;  // named neither by the backup nor by the issuance log
};
[[nodiscard]] RestoreComparison compare(SQLite::Database& present, SQLite::Database& backup,
                                        const std::string& issuance_log);

}  // namespace sealpost
