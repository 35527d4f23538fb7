// Backups of a database.
#pragma once

#include <string>

#include "base/time.h"
#include "store/database.h"

namespace sealpost {

// Writes a copy without sessions, 0600, while the gateway works.  Throws Fault if the file exists
// or cannot be written.
void back_up(Database& database, const std::string& file);

struct Restored {
  std::string kept_as;         // the new name of an unusable database; empty if there was none
  std::int64_t suspended = 0;  // messages that were in progress in the backup
};

// Replaces the content of the home's database by a backup, in one commit, and starts a new epoch.
// Running gateways go on with it.  If the present database is unusable (damaged, emptied, another
// server's) it is moved aside.  Throws Fault, and changes nothing, if the file is no backup of this
// server.
Restored restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
                 Time now);

}  // namespace sealpost
