// The health of a database: damage, age, and which process has it open.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/database.h"

namespace sealpost {

// A process that keeps the database open, as a FastCGI gateway does and a CGI gateway does not.
// Nothing if there is none or it cannot be found out.  This process must have no connection open.
[[nodiscard]] std::optional<pid_t> process_with_database_open(const StorePaths& paths);

struct Health {
  std::vector<std::string> damage;  // from PRAGMA integrity_check and foreign_key_check
  std::optional<Time> newest;       // when the newest message was received
  std::string epoch_reason;         // why the epoch began: "init", "restore" or "rollback"
  Time epoch_since;
  std::vector<std::int64_t> unusable;  // messages in progress that no handler can be given
};
[[nodiscard]] Health check_health(Database& database);

}  // namespace sealpost
