// Backups of a database.
#pragma once

#include <functional>
#include <string>

#include "base/time.h"
#include "store/database.h"
#include "store/restore_check.h"

namespace sealpost {

// Writes a copy without sessions, 0600, while the gateway works.  Throws Fault if the file exists
// or cannot be written.
void back_up(Database& database, const std::string& file);

struct Restored {
  std::string kept_as;         // the former database; empty if there was none
  std::int64_t suspended = 0;  // messages that were in progress in the backup
};

// Is told what a restore would lose, before anything changes.  Throws to stop the restore.
using ConfirmRestore = std::function<void(const RestoreComparison&)>;
inline void confirm_without_asking(const RestoreComparison&) {}

// Replaces the content of the home's database by a backup, in one commit, and starts a new epoch.
// Running gateways go on with it.  First copies the backup into the home and checks the copy whole.
// Then keeps the present database: as a copy without sessions, or, if it is unusable (damaged,
// emptied, another server's), by moving it aside.  Throws Fault, and changes nothing, if the file
// is no backup of this server, or is damaged.
Restored restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
                 Time now, const ConfirmRestore& confirm = confirm_without_asking);

}  // namespace sealpost
