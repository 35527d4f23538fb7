#include "store/health.h"

#include <fcntl.h>
#include <unistd.h>

#include "store/sql.h"

namespace sealpost {

std::optional<pid_t> process_with_database_open(const StorePaths& paths) {
  // SQLite's WAL format: every connection holds a shared lock on byte 128 of the -shm file.
  constexpr off_t kOpenByte = 128;
  const int file = open((paths.database + "-shm").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kOpenByte;
  lock.l_len = 1;
  const bool known = fcntl(file, F_GETLK, &lock) == 0;
  close(file);
  if (!known || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid;
}

Health check_health(Database& database) {
  Health health{};
  try {
    SQLite::Statement server(database.handle(), "SELECT epoch_reason, epoch_since FROM server");
    Query epoch(server);
    epoch.row();
    health.epoch_reason = epoch.text(0);
    health.epoch_since = epoch.time(1);
    for (const char* check : {"PRAGMA integrity_check(20)", "PRAGMA foreign_key_check"}) {
      SQLite::Statement statement(database.handle(), check);
      Query query(statement);
      while (query.row()) {
        if (query.text(0) != "ok") health.damage.push_back(query.text(0));
      }
    }
    SQLite::Statement newest(database.handle(), "SELECT max(received_at) FROM message");
    Query message(newest);
    if (message.row() && !message.is_null(0)) health.newest = message.time(0);
    SQLite::Statement unusable(database.handle(), R"sql(
        SELECT message.id
        FROM message LEFT JOIN installation ON installation.id = message.installation
        WHERE status = 2
          AND (name IS NULL OR topic IS NULL OR body IS NULL OR NOT coalesce(json_valid(claims), 0))
        LIMIT 20)sql");
    Query rows(unusable);
    while (rows.row()) health.unusable.push_back(rows.number(0));
  } catch (const SQLite::Exception& error) {
    health.damage.emplace_back(error.what());
  }
  return health;
}

}  // namespace sealpost
