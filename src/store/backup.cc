#include "store/backup.h"

#include <SQLiteCpp/Backup.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "store/epoch.h"
#include "store/schema.h"
#include "store/sql.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

// Removes a half-made file whatever happens.
struct Unfinished {
  explicit Unfinished(std::string at) : path(std::move(at)) { remove(); }
  ~Unfinished() { remove(); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void remove() const {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  std::string path;
};

void sync_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  if (file >= 0) close(file);
  if (!synced) throw Fault(path + " could not be written to disk");
}

void copy_all(SQLite::Database& to, SQLite::Database& from) {
  SQLite::Backup backup(to, from);
  if (backup.executeStep(-1) != SQLITE_DONE) {
    throw Fault("the database is in use by another program: nothing was changed; try again");
  }
}

// Which server a file says it is the database of; nothing if it is no sealpost database.
std::optional<ServerId> server_of(const std::string& path) {
  SQLite::Database handle(path, SQLite::OPEN_READONLY);
  if (handle.execAndGet("PRAGMA application_id").getInt() != kApplicationId) return std::nullopt;
  SQLite::Statement statement(handle, "SELECT server_id FROM server");
  Query server(statement);
  if (!server.row()) return std::nullopt;
  return server.id<ServerId>(0);
}

bool is_damage(const SQLite::Exception& error) {
  const int code = error.getErrorCode();
  return code == SQLITE_NOTADB || code == SQLITE_CORRUPT || code == SQLITE_ERROR;
}

void require_backup(const std::string& file, const ServerId& server_id) {
  std::error_code why;
  if (!fs::exists(file, why)) {
    throw Fault(why ? file + " cannot be reached: " + why.message() : "there is no file " + file);
  }
  if (fs::is_directory(file)) throw Fault(file + " is a folder: name the backup in it");
  if (fs::is_empty(file)) throw Fault(file + " is empty: name another backup");
  try {
    const auto server = server_of(file);
    if (!server) throw Fault(file + " is a database, but no sealpost backup: name another file");
    if (*server != server_id) {
      throw Fault(file +
                  " is a backup of another server, with other master keys: restore it into the "
                  "home that has them");
    }
  } catch (const SQLite::Exception& error) {
    if (is_damage(error)) {
      throw Fault(file + " is no sealpost backup, or damaged (" + error.what() +
                  "): name another file");
    }
    throw Fault(file + " cannot be read (" + error.what() + "): is it another user's?");
  }
}

void copy_into_home(const std::string& file, const std::string& path) {
  try {
    SQLite::Database from(file, SQLite::OPEN_READONLY);
    SQLite::Database to(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    copy_all(to, from);
  } catch (const SQLite::Exception& error) {
    throw Fault(file + " could not be copied into the home (" + error.what() +
                "): is the file whole, has the disk room, and may " +
                fs::path(path).parent_path().string() + " be written?");
  }
}

// Whether the home's database can take a backup as one commit of its own.
bool is_usable(const std::string& path, const ServerId& server_id) {
  try {
    return fs::exists(path) && server_of(path) == server_id;
  } catch (const SQLite::Exception& error) {
    if (is_damage(error)) return false;
    throw explain(error, path);
  }
}

// Moves a database that cannot be used aside, and what SQLite keeps beside it: to the one that
// takes its place that would be poison.  The name it has now; empty if there was none.  The gate is
// held.
std::string move_aside(const std::string& path, Time now) {
  const std::string aside = path + ".damaged-" + std::to_string(to_ms(now));
  for (const char* part : {"", "-wal", "-shm", "-journal"}) {
    if (fs::exists(path + part)) fs::rename(path + part, aside + part);
  }
  return fs::exists(aside) ? aside : "";
}

}  // namespace

void back_up(Database& database, const std::string& file) {
  std::error_code unreachable;  // opening says why
  if (fs::is_directory(file, unreachable)) {
    throw Fault(file + " is a folder: name a new file in it");
  }
  if (fs::exists(file, unreachable)) throw Fault(file + " exists already: name a new file");
  const Unfinished copy(file + ".unfinished");
  // SQLite fills an empty file as it would make one, and says less of what is wrong with a name.
  const int made = open(copy.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) {
    throw Fault(file + " cannot be written (" + std::strerror(errno) +
                "): name a new file in a folder of your own");
  }
  close(made);
  try {
    SQLite::Statement vacuum(database.handle(), "VACUUM INTO ?");
    Query(vacuum, copy.path).run();
    SQLite::Database handle(copy.path, SQLite::OPEN_READWRITE);
    handle.exec("PRAGMA journal_mode = MEMORY; PRAGMA secure_delete = ON;");
    handle.exec("DELETE FROM session; DELETE FROM handshake;");
  } catch (const SQLite::Exception& error) {
    throw Fault(file + " could not be written, or the database not read (" + error.what() +
                "): is there room? `sealpost doctor` looks at the database");
  }
  sync_file(copy.path);
  fs::rename(copy.path, file);
}

std::string restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
                    Time now) {
  require_backup(file, server_id);
  const Unfinished copy(paths.database + ".restore");
  const Unfinished copy_gate(copy.path + ".gate");
  copy_into_home(file, copy.path);
  try {
    // Opened as the gateway would, with a gate of its own: that checks it and brings its schema
    // forward.
    StorePaths copied = paths;
    copied.database = copy.path;
    copied.write_lock = copy_gate.path;
    Database restored(copied, server_id, {"delete", 3});
    // The file of issues is read under the home's gate, so that no revocation slips between.
    const auto begin_epoch = [&] {
      Write write(restored);
      start_epoch(restored.handle(), paths.issuance_log, server_id, "restore", now);
      write.commit();
    };
    if (is_usable(paths.database, server_id)) {
      Database live(paths, server_id);
      {
        const WriteLock::Guard hold = live.write_lock().acquire();
        begin_epoch();
        copy_all(live.handle(), restored.handle());
      }
      (void)live.trim_wal(true);
      return "";
    }
    WriteLock gate(paths.write_lock);
    const WriteLock::Guard hold = gate.acquire();
    begin_epoch();
    sync_file(copy.path);
    std::string aside = move_aside(paths.database, now);
    rename_durably(copy.path, paths.database);
    return aside;
  } catch (const SQLite::Exception& error) {
    throw explain(error, paths.database);
  }
}

std::optional<pid_t> holder_of(const StorePaths& paths) {
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

Health examine(Database& database) {
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
  } catch (const SQLite::Exception& error) {
    health.damage.emplace_back(error.what());
  }
  return health;
}

}  // namespace sealpost
