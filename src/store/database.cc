#include "store/database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "store/epoch.h"
#include "store/issuance_comparison.h"
#include "store/schema.h"

namespace sealpost {
namespace {

constexpr int kBusyTimeout =
    5'000;  // ms; only programs that do not use the write lock cause a wait
constexpr off_t kPageSize = 8192;
constexpr int kFramesMost = 8000;  // for a writer that never calls checkpoint()
constexpr int kCacheKib = 16384;
constexpr off_t kFewFrames = 16;

struct FileSystem {
  std::uint64_t kind;
  const char* name;
  bool local;
};
// Numbers from statfs(2) and linux/magic.h.
constexpr std::array<FileSystem, 18> kFileSystems{{
    {0xef53, "ext4", true},
    {0x58465342, "xfs", true},
    {0x9123683e, "btrfs", true},
    {0x2fc12fc1, "zfs", true},
    {0xf2f52010, "f2fs", true},
    {0x01021994, "tmpfs", true},
    {0x858458f6, "ramfs", true},
    {0x794c7630, "overlay", true},
    {0xca451a4e, "bcachefs", true},
    {0x52654973, "reiserfs", true},
    {0x3153464a, "jfs", true},
    {0x6969, "nfs", false},
    {0xff534d42, "cifs", false},
    {0xfe534d42, "smb2", false},
    {0x65735546, "fuse", false},
    {0x01021997, "9p", false},
    {0x00c36400, "ceph", false},
    {0x5346414f, "afs", false},
}};

std::string folder_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

SQLite::Database open_file(const std::string& path, int extra_flags) {
  try {
    // NOMUTEX: each connection is used by one thread.
    return {path, SQLite::OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | extra_flags, kBusyTimeout};
  } catch (const SQLite::Exception& error) {
    throw explain(error, path);
  }
}

std::string text_of_pragma(SQLite::Database& handle, const std::string& pragma) {
  return handle.execAndGet("PRAGMA " + pragma).getString();
}

void set_switch(SQLite::Database& handle, int which, const char* name) {
  int now = 0;
  if (sqlite3_db_config(handle.getHandle(), which, 1, &now) != SQLITE_OK || now != 1) {
    throw Fault(std::string("This SQLite does not support ") + name +
                ". Use SQLite 3.40 or newer.");
  }
}

}  // namespace

JournalMode journal_on(std::uint64_t kind) {
  const bool local =
      std::any_of(kFileSystems.begin(), kFileSystems.end(),
                  [&](const FileSystem& one) { return one.kind == kind && one.local; });
  return local ? JournalMode{"wal", 2} : JournalMode{"delete", 3};
}

std::uint64_t file_system_of(const std::string& path) {
  struct statfs status {};
  if (statfs(path.c_str(), &status) != 0) throw Fault("The directory " + path + " does not exist.");
  return static_cast<std::uint64_t>(status.f_type) & 0xffffffff;
}

std::string file_system_name(std::uint64_t kind) {
  for (const FileSystem& one : kFileSystems) {
    if (one.kind == kind) return one.name;
  }
  return "unknown";
}

std::string sqlite_version() { return sqlite3_libversion(); }

Fault explain(const SQLite::Exception& error, const std::string& path) {
  const std::string database = "the database " + path;
  const std::string reason = std::string(": ") + error.what() + ". ";
  switch (error.getErrorCode()) {
    case SQLITE_CANTOPEN:
      return Fault("Cannot open " + database +
                   ": it is missing, or belongs to another user. `sealpost doctor` tells which; "
                   "`sealpost restore` restores a backup.");
    case SQLITE_READONLY:
      return Fault("Cannot write " + database +
                   ". Give it and its directory to the user that the gateway runs as.");
    case SQLITE_BUSY:
      return Fault("Another program locked " + database + " for more than 5 s. `fuser " + path +
                   "` names it.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Fault("Cannot use " + database + ", it is damaged" + reason +
                   "Move it away and run `sealpost restore` with a backup.");
    case SQLITE_FULL:
      return Fault("Cannot write " + database +
                   ": there is no room left. Free disk space or quota, or run `sealpost inbox "
                   "prune`.");
    case SQLITE_IOERR:
      return Fault("Cannot read or write " + database + reason +
                   "Look for disk errors and quotas.");
    default:
      return Fault("Cannot use " + database + ": " + error.what() + ".");
  }
}

Database::Database(const StorePaths& paths, const ServerId& server_id)
    : Database(paths, server_id, journal_on(file_system_of(folder_of(paths.database)))) {}

Database::Database(const StorePaths& paths, const ServerId& server_id, const JournalMode& journal)
    : paths_(paths),
      journal_(journal),
      write_lock_(paths.write_lock),
      handle_(open_file(paths.database, 0)) {
  try {
    configure();
    migrate();
    verify(server_id);
    compare_issuance_log();
  } catch (const SQLite::Exception& error) {
    throw explain(error, paths_.database);
  }
}

void Database::create(const StorePaths& paths, const ServerId& server_id, Time now) {
  WriteLock lock(paths.write_lock);
  const WriteLock::Guard guard = lock.acquire();
  if (std::filesystem::exists(paths.database)) throw Fault(paths.database + " exists already.");
  const std::string unfinished = paths.database + ".new";
  std::filesystem::remove(unfinished);
  try {
    SQLite::Database handle = open_file(unfinished, SQLite::OPEN_CREATE);
    handle.exec("PRAGMA page_size = " + std::to_string(kPageSize));
    handle.exec("BEGIN IMMEDIATE");
    for (const std::string_view script : migrations()) handle.exec(std::string(script));
    handle.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    handle.exec("PRAGMA user_version = " + std::to_string(migrations().size()));
    start_epoch(handle, paths.issuance_log, server_id, "init", now);
    handle.exec("COMMIT");
  } catch (const SQLite::Exception& error) {
    throw explain(error, unfinished);
  }
  // What SQLite kept beside a lost database would damage this one.
  for (const char* part : {"-wal", "-shm", "-journal"}) {
    std::filesystem::remove(paths.database + part);
  }
  std::filesystem::rename(unfinished, paths.database);
}

void Database::configure() {
  set_switch(handle_, SQLITE_DBCONFIG_DEFENSIVE, "DEFENSIVE");
  set_switch(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, "NO_CKPT_ON_CLOSE");
  handle_.exec("PRAGMA trusted_schema = OFF");
  handle_.exec("PRAGMA foreign_keys = ON");
  handle_.exec("PRAGMA secure_delete = ON");
  handle_.exec("PRAGMA synchronous = " + std::to_string(journal_.synchronous));
  handle_.exec("PRAGMA cache_size = -" + std::to_string(kCacheKib));
  sqlite3_wal_hook(handle_.getHandle(), note_frames, this);  // and no checkpoint in a COMMIT
  if (handle_.execAndGet("PRAGMA application_id").getInt() != kApplicationId) {
    throw Fault(paths_.database + " is not a sealpost database. Check SEALPOST_HOME.");
  }
  if (sqlite3_db_readonly(handle_.getHandle(), "main") != 0) {
    throw Fault("Cannot write the database " + paths_.database +
                ". Give it and its directory to the user that the gateway runs as.");
  }
  if (text_of_pragma(handle_, "journal_mode") != journal_.mode) {
    const WriteLock::Guard guard = write_lock_.acquire();
    handle_.exec("PRAGMA journal_mode = " + journal_.mode);
  }
}

void Database::migrate() {
  const int newest = static_cast<int>(migrations().size());
  const auto version = [&] {
    const int found = handle_.execAndGet("PRAGMA user_version").getInt();
    if (found <= newest) return found;
    throw Fault("The database " + paths_.database + " has schema " + std::to_string(found) +
                ", but this sealpost knows only " + std::to_string(newest) +
                ". Install the newer sealpost again.");
  };
  if (version() == newest) return;
  Write write(*this);
  // Read again: another process may have migrated it, perhaps to a newer schema.
  for (int next = version(); next < newest; ++next) {
    handle_.exec(std::string(migrations()[static_cast<std::size_t>(next)]));
  }
  handle_.exec("PRAGMA user_version = " + std::to_string(newest));
  write.commit();
}

// Reads every setting back, because one that did not take effect would weaken a promise.
void Database::verify(const ServerId& server_id) {
  const std::pair<const char*, std::string> expected[] = {
      {"journal_mode", journal_.mode}, {"synchronous", std::to_string(journal_.synchronous)},
      {"trusted_schema", "0"},         {"foreign_keys", "1"},
      {"secure_delete", "1"},
  };
  for (const auto& [pragma, value] : expected) {
    const std::string found = text_of_pragma(handle_, pragma);
    if (found != value) {
      throw Fault("SQLite set " + std::string(pragma) + " to " + found + " for " + paths_.database +
                  ", but sealpost needs " + value + ".");
    }
  }
  SQLite::Statement server(handle_, "SELECT server_id FROM server");
  const bool found = server.executeStep();
  const auto* stored =
      found ? static_cast<const std::uint8_t*>(server.getColumn(0).getBlob()) : nullptr;
  if (stored == nullptr || !std::equal(server_id.bytes.begin(), server_id.bytes.end(), stored)) {
    throw Fault(
        "The database " + paths_.database +
        " belongs to other master keys. Put the directory keys of its own server beside it.");
  }
}

// A database that was put back from an old copy learns here whom the operator has revoked since.
void Database::compare_issuance_log() {
  if (is_issuance_log_known(handle_, paths_.issuance_log)) return;
  {
    Write write(*this);
    apply_issuance_log(handle_, paths_.issuance_log);
    write.commit();
  }
  (void)trim_wal(true);  // keys of ended sessions may lie in the WAL
}

bool Database::is_current() {
  int moved = 0;
  sqlite3_file_control(handle_.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved == 0 && write_lock_.is_current();
}

int Database::note_frames(void* database, sqlite3*, const char*, int frames) {
  auto& self = *static_cast<Database*>(database);
  self.frames_ = frames;
  if (frames >= kFramesMost) self.move_frames();  // the commit holds the write lock
  return SQLITE_OK;
}

// If this checkpoint fails, the next one copies the frames: they are safe in the WAL.
void Database::move_frames() {
  sqlite3_wal_checkpoint_v2(handle_.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                            nullptr);
  frames_ = 0;
}

void Database::checkpoint(int most) {
  if (frames_ < most) return;
  const WriteLock::Guard guard = write_lock_.acquire();
  move_frames();
}

bool Database::trim_wal(bool always) {
  struct stat status {};
  const std::string wal = paths_.database + "-wal";
  if (journal_.mode != "wal" || stat(wal.c_str(), &status) != 0 || status.st_size == 0) return true;
  if (!always && status.st_size < kFewFrames * (kPageSize + 24)) return true;
  const WriteLock::Guard guard = write_lock_.acquire();
  return empty_wal();
}

bool Database::empty_wal() {
  handle_.setBusyTimeout(0);  // waiting for a reader would make every writer wait
  const bool done = handle_.execAndGet("PRAGMA wal_checkpoint(TRUNCATE)").getInt() == 0;
  handle_.setBusyTimeout(kBusyTimeout);
  return done;
}

void Database::sync_wal() {
  sqlite3_file* wal = nullptr;
  sqlite3_file_control(handle_.getHandle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
  if (wal == nullptr || wal->pMethods == nullptr ||
      wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK) {
    throw Fault("Cannot sync " + paths_.database + "-wal. Look for disk errors and quotas.");
  }
}

Write::Write(Database& database)
    : lock_(database.write_lock().acquire()),
      database_(database),
      handle_(database.handle()),
      changes_before_(sqlite3_total_changes(handle_.getHandle())) {
  handle_.exec("BEGIN IMMEDIATE");
}

Write::~Write() {
  if (open_) handle_.tryExec("ROLLBACK");
  if (!failed_) return;
  // The failed transaction may lie whole in the WAL, and a process that recovers the WAL would take
  // it for committed.  This connection knows that it is not: it empties the WAL.
  try {
    (void)database_.empty_wal();
  } catch (const std::exception&) {
    // The disk fails.  The next connection syncs what it finds before it answers.
  }
}

void Write::commit() {
  failed_ = true;
  sync_what_was_read();
  handle_.exec("COMMIT");
  failed_ = false;
  open_ = false;
  database_.set_sure();
}

// A transaction that wrote nothing syncs nothing, and yet an answer may depend on what it read.
void Write::sync_what_was_read() {
  if (database_.is_sure()) return;
  if (sqlite3_total_changes(handle_.getHandle()) != changes_before_) return;
  if (database_.journal().mode == "wal") return database_.sync_wal();
  // Any write syncs the directory, too.
  const std::string version = text_of_pragma(handle_, "user_version");
  handle_.exec("PRAGMA user_version = " + version);
}

}  // namespace sealpost
