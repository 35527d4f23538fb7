// Copies of a database, and its health.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/database.h"

namespace sealpost {

// Writes a copy without sessions, 0600, while the gateway works.  Throws Fault if the file exists
// or cannot be made.
void back_up(Database& database, const std::string& file);

// Puts a backup in place of the home's database, in one step that running gateways see as one
// commit, and starts a new epoch in it.  Where what is there cannot take that (damaged, emptied,
// another server's) it is moved aside, and its new name is the answer; else that is empty.  Throws
// Fault, and changes nothing, if it is no backup of this server's.
std::string restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
                    Time now);

// The process that keeps the database open, as a FastCGI gateway does and CGI does not; nothing if
// there is none, or it cannot be known.  No connection of this process may be open.
[[nodiscard]] std::optional<pid_t> holder_of(const StorePaths& paths);

struct Health {
  std::vector<std::string> damage;  // what PRAGMA integrity_check and foreign_key_check report
  std::optional<Time> newest;       // when the newest message came
  std::string epoch_reason;         // why the epoch began: "init", "restore" or "rollback"
  Time epoch_since;
};
[[nodiscard]] Health examine(Database& database);

}  // namespace sealpost
