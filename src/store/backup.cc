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

// Deletes an unfinished file in any case.
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
  if (!synced) throw Fault("Cannot sync " + path + ". Look for disk errors and quotas.");
}

void copy_all(SQLite::Database& to, SQLite::Database& from) {
  SQLite::Backup backup(to, from);
  if (backup.executeStep(-1) != SQLITE_DONE) {
    throw Fault("Another program uses the database. Nothing was changed. Try again.");
  }
}

// The server_id in a database; nothing if it is no sealpost database.
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
    throw Fault(why ? "Cannot open " + file + ": " + why.message() + "."
                    : "The file " + file + " does not exist.");
  }
  if (fs::is_directory(file)) throw Fault(file + " is a directory. Name the backup file in it.");
  if (fs::is_empty(file)) throw Fault(file + " is empty. Name another backup.");
  try {
    const auto server = server_of(file);
    if (!server) throw Fault(file + " is a database, but no sealpost backup. Name another file.");
    if (*server != server_id) {
      throw Fault(
          file +
          " is a backup of another server, with other master keys. Restore it into the home "
          "that has those keys.");
    }
  } catch (const SQLite::Exception& error) {
    if (is_damage(error)) {
      throw Fault(file + " is no sealpost backup, or it is damaged: " + error.what() +
                  ". Name another file.");
    }
    throw Fault("Cannot read " + file + ": " + error.what() + ". Does it belong to another user?");
  }
}

void copy_into_home(const std::string& file, const std::string& path) {
  try {
    SQLite::Database from(file, SQLite::OPEN_READONLY);
    SQLite::Database to(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    copy_all(to, from);
  } catch (const SQLite::Exception& error) {
    throw Fault(
        "Cannot copy " + file + " into the home: " + error.what() +
        ". Check that the file is complete, that the disk has room, and that you may write " +
        fs::path(path).parent_path().string() + ".");
  }
}

// Why the home's database cannot take over a backup in one commit; empty if it can.
std::string why_unusable(const std::string& path, const ServerId& server_id) {
  try {
    if (server_of(path) != server_id) return "it belongs to another server";
    SQLite::Database handle(path, SQLite::OPEN_READONLY);
    const std::string found = handle.execAndGet("PRAGMA integrity_check(1)").getString();
    return found == "ok" ? "" : found;
  } catch (const SQLite::Exception& error) {
    if (is_damage(error)) return error.what();
    throw explain(error, path);
  }
}

// Moves an unusable database aside, with the files that SQLite keeps beside it, because those would
// damage the database that takes its place.  Returns its new name, empty if there was no database.
// The caller holds the write lock.
std::string move_aside(const std::string& path, Time now) {
  const std::string aside = path + ".damaged-" + std::to_string(to_ms(now));
  for (const char* part : {"", "-wal", "-shm", "-journal"}) {
    if (fs::exists(path + part)) fs::rename(path + part, aside + part);
  }
  return fs::exists(aside) ? aside : "";
}

}  // namespace

void back_up(Database& database, const std::string& file) {
  std::error_code unreachable;  // open() below reports why
  if (fs::is_directory(file, unreachable)) {
    throw Fault(file + " is a directory. Name a new file in it.");
  }
  if (fs::exists(file, unreachable)) throw Fault(file + " exists already. Name a new file.");
  const Unfinished copy(file + ".unfinished");
  // SQLite fills an empty file as it would a new one, and reports less of what is wrong with a
  // path.
  const int made = open(copy.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) {
    throw Fault("Cannot write " + file + ": " + std::strerror(errno) +
                ". Name a new file in a directory of your own.");
  }
  close(made);
  try {
    SQLite::Statement vacuum(database.handle(), "VACUUM INTO ?");
    Query(vacuum, copy.path).run();
    SQLite::Database handle(copy.path, SQLite::OPEN_READWRITE);
    handle.exec("PRAGMA journal_mode = MEMORY; PRAGMA secure_delete = ON;");
    handle.exec("DELETE FROM session; DELETE FROM session_key; DELETE FROM handshake;");
  } catch (const SQLite::Exception& error) {
    throw Fault("Cannot write " + file + " or read the database: " + error.what() +
                ". Check that there is room; `sealpost doctor` checks the database.");
  }
  sync_file(copy.path);
  fs::rename(copy.path, file);
}

namespace {

// Copies the database in place, without sessions, to a file beside it.  Returns the file's name.
// The caller holds the write lock.
std::string keep_copy(Database& live, Time now) {
  const std::string path = live.paths().database;
  const Unfinished killed(path + ".former");  // of a restore that was killed
  back_up(live, killed.path);
  std::string kept = path + ".former-" + std::to_string(to_ms(now));
  rename_durably(killed.path, kept);
  return kept;
}

}  // namespace

Restored restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
                 Time now, const ConfirmRestore& confirm) {
  require_backup(file, server_id);
  const Unfinished copy(paths.database + ".restore");
  const Unfinished copy_lock(copy.path + ".lock");
  copy_into_home(file, copy.path);
  try {
    {
      SQLite::Database copied(copy.path, SQLite::OPEN_READONLY);
      require_intact(copied, file);
    }
    // Opening it as the gateway would, with a write lock of its own, checks it and migrates its
    // schema.
    StorePaths copied = paths;
    copied.database = copy.path;
    copied.write_lock = copy_lock.path;
    Database restored(copied, server_id, {"delete", 3});
    require_newest_schema(restored.handle(), file);
    // start_epoch() reads the issuance log under the home's write lock, so that no revocation is
    // lost.
    const auto begin_epoch = [&] {
      Write write(restored);
      const std::int64_t suspended =
          start_epoch(restored.handle(), paths.issuance_log, server_id, "restore", now);
      write.commit();
      return suspended;
    };
    const bool present = fs::exists(paths.database);
    const std::string unusable = present ? why_unusable(paths.database, server_id) : "";
    if (present && unusable.empty()) {
      Database live(paths, server_id);
      confirm(compare(live.handle(), restored.handle(), paths.issuance_log));
      Restored done;
      {
        const WriteLock::Guard guard = live.write_lock().acquire();
        done.kept_as = keep_copy(live, now);
        done.suspended = begin_epoch();
        copy_all(live.handle(), restored.handle());
      }
      (void)live.trim_wal(true);
      return done;
    }
    if (present) confirm({.unusable = unusable, .present = {}, .backup = {}, .lost_clients = {}});
    WriteLock lock(paths.write_lock);
    const WriteLock::Guard guard = lock.acquire();
    const std::int64_t suspended = begin_epoch();
    sync_file(copy.path);
    std::string aside = move_aside(paths.database, now);
    rename_durably(copy.path, paths.database);
    return {std::move(aside), suspended};
  } catch (const SQLite::Exception& error) {
    throw explain(error, paths.database);
  }
}

}  // namespace sealpost
