// One connection to a home's database: opened the one safe way, and written to through the gate.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "protocol/ids.h"
#include "store/write_lock.h"

namespace sealpost {

// How a database is kept on a file system.  WAL with FULL syncs every commit and is the fast one;
// it needs shared memory and locks that only a local disk surely has.
struct JournalMode {
  std::string mode;  // "wal" or "delete"
  int synchronous;   // as PRAGMA synchronous says it: 2 FULL, 3 EXTRA
};

// `kind` is statfs's f_type.  What is not known to be local is treated as a network's.
[[nodiscard]] JournalMode journal_on(std::uint64_t kind);
// The f_type of the file system a path lies on, and what it is called.  Throws Fault.
[[nodiscard]] std::uint64_t file_system_of(const std::string& path);
[[nodiscard]] std::string file_system_name(std::uint64_t kind);

struct StorePaths {
  std::string database;
  std::string write_lock;
  std::string issuance_log;  // beside the master keys
};

// "3.40.1"
[[nodiscard]] std::string sqlite_version();

// A SQLite error as a sentence with its mend.
[[nodiscard]] Fault explain(const SQLite::Exception& error, const std::string& path);

class Database {
 public:
  // Opens what `create` made, brings an older schema forward, and reads every setting back.  Throws
  // Fault if the file is missing, not ours, of a newer schema, read-only, corrupt, or another
  // server's.
  Database(const StorePaths& paths, const ServerId& server_id);
  // The same with a journal chosen by the caller, not by the file system.
  Database(const StorePaths& paths, const ServerId& server_id, const JournalMode& journal);

  // Makes an empty database with a new epoch, and takes over what the file of issues says.  Throws
  // Fault if there is one.
  static void create(const StorePaths& paths, const ServerId& server_id, Time now);

  [[nodiscard]] SQLite::Database& handle() { return handle_; }
  [[nodiscard]] WriteLock& write_lock() { return write_lock_; }
  [[nodiscard]] const StorePaths& paths() const { return paths_; }
  [[nodiscard]] const JournalMode& journal() const { return journal_; }

  // Whether the paths still name the files that are open.
  [[nodiscard]] bool is_current();

  // Moves what the WAL holds into the database where it has grown past 4,000 frames.  Costs two
  // syncs, so it is not part of a commit: for between requests.
  void checkpoint();

  // Whether all that this connection can read is surely on disk.  At first it is not: a process
  // that was killed, or whose COMMIT failed, may have left a whole transaction that nobody has
  // synced.  A commit of one's own syncs a WAL, all of it.  A rollback journal's folder is synced
  // by whoever committed, unless he was killed then, and that can be any time.
  [[nodiscard]] bool is_sure() const { return sure_ && journal_.mode == "wal"; }
  void set_sure() { sure_ = true; }

  // Empties the WAL if it has more than 16 frames, so that the next process to start has none to
  // read, or in any case where keys may lie in it that the database has erased already.  Whether
  // that is done: readers can keep it from being so.
  bool trim_wal(bool in_any_case);
  // Empties the WAL; the gate is held.
  bool empty_wal();
  // Makes sure of all that the WAL holds.
  void sync_wal();

 private:
  static int note_frames(void* database, sqlite3* handle, const char* name, int frames);
  void move_frames();
  void configure();
  void migrate();
  void verify(const ServerId& server_id);

  StorePaths paths_;
  JournalMode journal_;
  WriteLock write_lock_;
  SQLite::Database handle_;
  int frames_ = 0;  // in the WAL, at this connection's last commit
  bool sure_ = false;
};

// A write transaction: the gate, then BEGIN IMMEDIATE.  Rolled back unless committed.
class Write {
 public:
  explicit Write(Database& database);
  ~Write();
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;

  // What it has written, and what it has read, is durable when it returns.  A failure says nothing
  // about what is on disk.
  void commit();

 private:
  void make_sure_of_what_was_read();

  WriteLock::Guard hold_;
  Database& database_;
  SQLite::Database& handle_;
  int changes_before_;
  bool open_ = true;
  bool failed_ = false;
};

}  // namespace sealpost
