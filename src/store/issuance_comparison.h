// Applies the issuance log to a database, so that an old copy of the database does not accept a
// client that the log says is revoked (PROTOCOL 3).
#pragma once

#include <SQLiteCpp/Database.h>

#include <string>

#include "store/issuance_log.h"

namespace sealpost {

// Whether the issuance log still ends as it did when it was last compared with this database.
[[nodiscard]] bool is_issuance_log_known(SQLite::Database& handle, const std::string& path);

// The functions below run inside the caller's write transaction.

// A line with a greater generation than the client's row replaces the whole row.  A revocation or
// removal does so at an equal generation too, and deletes the client's sessions.
void apply_issuance(SQLite::Database& handle, const Issuance& issue);

// Applies every line, and notes how the file ends.  Throws Fault if the file cannot be read.
void apply_issuance_log(SQLite::Database& handle, const std::string& path);

// Notes how the file ends.  The caller has applied all its lines.
void note_issuance_log(SQLite::Database& handle, const std::string& path);

}  // namespace sealpost
