// A new epoch: what happens to a database that is fresh, restored, or proven an old copy (PROTOCOL
// 3, 7).
#pragma once

#include <SQLiteCpp/Database.h>

#include <string>

#include "base/time.h"
#include "protocol/ids.h"

namespace sealpost {

// Inside the caller's write transaction: a new epoch, no sessions and no remembered handshakes, and
// for each client the greater of what the database and the file of issues say.  `reason` is "init",
// "restore" or "rollback".  Throws Fault if the file of issues cannot be read.
void start_epoch(SQLite::Database& handle, const std::string& issues, const ServerId& server_id,
                 const std::string& reason, Time now);

}  // namespace sealpost
