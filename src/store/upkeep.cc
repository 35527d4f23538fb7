#include "store/upkeep.h"

#include <SQLiteCpp/Backup.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "store/epoch.h"
#include "store/statements.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

// Removes a half-made file whatever happens.
struct Unfinished {
  explicit Unfinished(std::string at) : path(std::move(at)) { fs::remove(path); }
  ~Unfinished() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
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
  backup.executeStep(-1);
}

}  // namespace

void back_up(Database& database, const std::string& file) {
  if (fs::exists(file)) throw Fault(file + " exists already: name a new file");
  const Unfinished copy(file + ".unfinished");
  try {
    SQLite::Statement vacuum(database.handle(), "VACUUM INTO ?");
    Query(vacuum, copy.path).run();
    SQLite::Database handle(copy.path, SQLite::OPEN_READWRITE);
    handle.exec("PRAGMA journal_mode = MEMORY; PRAGMA secure_delete = ON;");
    handle.exec("DELETE FROM session; DELETE FROM handshake;");
  } catch (const SQLite::Exception& error) {
    throw explain(error, copy.path);
  }
  sync_file(copy.path);
  fs::rename(copy.path, file);
}

void restore(const StorePaths& paths, const ServerId& server_id, const std::string& file,
             Time now) {
  if (!fs::exists(file)) throw Fault("there is no file " + file);
  const Unfinished copy(paths.database + ".restore");
  const Unfinished copy_gate(copy.path + ".gate");
  try {
    {
      SQLite::Database from(file, SQLite::OPEN_READONLY);
      SQLite::Database to(copy.path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
      copy_all(to, from);
    }
    // Opened as the gateway would, with a gate of its own: that checks it and brings its schema
    // forward.
    StorePaths copied = paths;
    copied.database = copy.path;
    copied.gate = copy_gate.path;
    Database restored(copied, server_id, {"delete", 3});
    {
      Write write(restored);
      start_epoch(restored.handle(), paths.issues, server_id, "restore", now);
      write.commit();
    }
    if (fs::exists(paths.database)) {
      Database live(paths, server_id);
      const Gate::Hold hold = live.gate().enter();
      copy_all(live.handle(), restored.handle());
      return;
    }
  } catch (const SQLite::Exception& error) {
    throw explain(error, file);
  }
  Gate gate(paths.gate);
  const Gate::Hold hold = gate.enter();
  sync_file(copy.path);
  fs::rename(copy.path, paths.database);
}

Health examine(Database& database) {
  Health health{};
  try {
    SQLite::Statement server(database.handle(), "SELECT epoch_reason, epoch_since FROM server");
    Query epoch(server);
    epoch.row();
    health.epoch_reason = epoch.text(0);
    health.epoch_since = static_cast<Time>(epoch.number(1));
    for (const char* check : {"PRAGMA integrity_check(20)", "PRAGMA foreign_key_check"}) {
      SQLite::Statement statement(database.handle(), check);
      Query query(statement);
      while (query.row()) {
        if (query.text(0) != "ok") health.damage.push_back(query.text(0));
      }
    }
    SQLite::Statement newest(database.handle(), "SELECT max(received_at) FROM message");
    Query message(newest);
    if (message.row() && !message.is_null(0)) health.newest = static_cast<Time>(message.number(0));
  } catch (const SQLite::Exception& error) {
    health.damage.emplace_back(error.what());
  }
  return health;
}

}  // namespace sealpost
