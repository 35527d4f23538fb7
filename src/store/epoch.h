// A new epoch, for a database that is new, restored, or proved to be an old copy (PROTOCOL 3, 7).
#pragma once

#include <SQLiteCpp/Database.h>

#include <string>

#include "base/time.h"
#include "protocol/ids.h"

namespace sealpost {

// Starts a new epoch inside the caller's write transaction: deletes all sessions, suspends
// every message in progress, and gives each client the greater generation of database and issuance
// log.  Remembered handshakes stay.  `reason` is "init", "restore" or "rollback".  Returns how many
// messages it suspended.  Throws Fault if the issuance log cannot be read.
std::int64_t start_epoch(SQLite::Database& handle, const std::string& issuance_log,
                         const ServerId& server_id, const std::string& reason, Time now);

}  // namespace sealpost
