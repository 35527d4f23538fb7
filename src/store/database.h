// One connection to a home's database, with safe settings, and write transactions under the write
// lock.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "protocol/ids.h"
#include "store/write_lock.h"

namespace sealpost {

// How SQLite keeps a database on a file system.  WAL with FULL syncs every commit and is fast, but
// it needs shared memory and locks, which only a local disk has for certain.
struct JournalMode {
  std::string mode;  // "wal" or "delete"
  int synchronous;   // as PRAGMA synchronous says it: 2 FULL, 3 EXTRA
};

// `kind` is statfs's f_type.  An unknown file system is treated as a network's.
[[nodiscard]] JournalMode journal_on(std::uint64_t kind);
// The f_type of the file system that holds a path, and the name of an f_type.  Throws Fault.
[[nodiscard]] std::uint64_t file_system_of(const std::string& path);
[[nodiscard]] std::string file_system_name(std::uint64_t kind);

struct StorePaths {
  std::string database;
  std::string write_lock;
  std::string issuance_log;  // beside the master keys
};

// "3.40.1"
[[nodiscard]] std::string sqlite_version();

// A SQLite error as a sentence that says what to do.
[[nodiscard]] Fault explain(const SQLite::Exception& error, const std::string& path);

class Database {
 public:
  // Opens what create() made, migrates an older schema, reads every setting back, and applies the
  // issuance log unless this database knows it.  Throws Fault if the file is missing, no sealpost
  // database, of a newer schema, read-only, corrupt, or another server's, or if the issuance log
  // cannot be read.
  Database(const StorePaths& paths, const ServerId& server_id);
  // The same with a journal that the caller chooses instead of the file system.
  Database(const StorePaths& paths, const ServerId& server_id, const JournalMode& journal);

  // Makes an empty database with a new epoch and the clients of the issuance log.  Throws Fault if
  // there is a database already.
  static void create(const StorePaths& paths, const ServerId& server_id, Time now);

  [[nodiscard]] SQLite::Database& handle() { return handle_; }
  [[nodiscard]] WriteLock& write_lock() { return write_lock_; }
  [[nodiscard]] const StorePaths& paths() const { return paths_; }
  [[nodiscard]] const JournalMode& journal() const { return journal_; }

  // Whether the paths still name the files that are open.
  [[nodiscard]] bool is_current();

  // Copies the WAL into the database if it has more than `most` frames.  This costs two syncs, so
  // it is not part of a commit: call it between requests.
  void checkpoint(int most = kCheckpointFrames);

  // Whether all that this connection can read is certainly on disk.  At first it is not: a process
  // that was killed, or whose COMMIT failed, may have left a whole transaction unsynced.  A commit
  // of this connection syncs the whole WAL.  With a rollback journal it is never certain, because a
  // process can be killed between its commit and the sync of the directory.
  [[nodiscard]] bool is_sure() const { return sure_ && journal_.mode == "wal"; }
  void set_sure() { sure_ = true; }

  // Empties the WAL if it has more than 16 frames, so that the next process need not read it.  With
  // `always` it empties the WAL in any case, because erased keys may still lie in it.  Returns
  // whether the WAL is empty now; a reader can prevent that.
  bool trim_wal(bool always);
  // Empties the WAL.  The caller holds the write lock.
  bool empty_wal();
  // Syncs the WAL.
  void sync_wal();

  // 32 MiB; at 1,000 frames, checkpoints took a tenth of all time.
  static constexpr int kCheckpointFrames = 4000;

 private:
  static int note_frames(void* database, sqlite3* handle, const char* name, int frames);
  void move_frames();
  void configure();
  void migrate();
  void verify(const ServerId& server_id);
  void compare_issuance_log();

  StorePaths paths_;
  JournalMode journal_;
  WriteLock write_lock_;
  SQLite::Database handle_;
  int frames_ = 0;  // in the WAL, at this connection's last commit
  bool sure_ = false;
};

// A write transaction: it takes the write lock, then BEGIN IMMEDIATE.  The destructor rolls it back
// unless it was committed.
class Write {
 public:
  explicit Write(Database& database);
  ~Write();
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;

  // When it returns, all that the transaction wrote and read is durable.  A failure says nothing
  // about what is on disk.
  void commit();

 private:
  void sync_what_was_read();

  WriteLock::Guard lock_;
  Database& database_;
  SQLite::Database& handle_;
  int changes_before_;
  bool open_ = true;
  bool failed_ = false;
};

}  // namespace sealpost
