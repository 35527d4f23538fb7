// A disk under SQLite that fails when told to, and forgets what was not synced when its power goes:
// a VFS over the unix one, the default from install() on.
//
// It keeps, for each file of a database, what of it is on the platter: a file's bytes get there by
// its sync, its name (that it was made, or deleted) by a sync of the folder.  SQLite syncs the
// folder with the first sync of a journal or WAL that it has made, and with a deletion where it
// asks for that. Nothing is really synced, so that a test may lose the power some thousand times.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace sealpost::test {

// SQLite's calls to a disk.
enum class Call { kWrite, kSync, kOpen, kTruncate, kDelete, kLock, kRead };
[[nodiscard]] const char* name_of(Call call);

// What happens at that call.
enum class Harm {
  kFail,      // it fails, with nothing done
  kFull,      // a write finds no room
  kBusy,      // another process holds the lock
  kTear,      // half of a write is done, then it fails
  kForget,    // a sync fails, and the kernel drops the data
  kStop,      // nothing is done, now and later
  kTearStop,  // the same after half of a write
};
[[nodiscard]] const char* name_of(Harm harm);

// What is on the disk after the fault.
enum class Loss {
  kNothing,   // the process ended, not the machine: all that was written is there
  kUnsynced,  // nothing that was not synced is there
  kSome,      // of that, any sector may be there, and any may not
};
[[nodiscard]] const char* name_of(Loss loss);

class FaultyDisk {
 public:
  struct Plan {
    Call call;
    Harm harm;
    int at;  // which such call, from 1
  };

  // The one of this process; makes it SQLite's default.
  static FaultyDisk& install();

  // From here on the files of a database are watched; all that is there is on the platter.  It may
  // not be open.  With an empty path none is.
  void watch(const std::string& database);
  void plan(const std::optional<Plan>& plan);
  // Whether the planned fault has happened.
  [[nodiscard]] bool has_faulted() const { return faulted_; }
  // Whether every call fails.
  [[nodiscard]] bool is_off() const { return off_; }
  void turn_off() { off_ = true; }
  // Writes the files as they are after a restart of the process or the machine.  The database must
  // not be open.
  void turn_on(Loss loss, unsigned seed);

  // For the VFS's functions.

  // A file's bytes, by whatever names.
  struct Node {
    struct Change {
      std::size_t at;
      std::string bytes;
      bool truncates;          // to `at`
      bool forgotten = false;  // no sync will write it
    };
    std::string synced;
    std::vector<Change> unsynced;
  };
  // Counts a call; what is to happen at it, if not just what was asked for.
  [[nodiscard]] std::optional<Harm> next_fault(Call call);
  // Null where nobody watches.
  [[nodiscard]] std::shared_ptr<Node> opened(const std::string& path, bool made);
  void deleted(const std::string& path);
  void synced_folder() { platter_ = names_; }
  static void synced(Node& node);

 private:
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  [[nodiscard]] Names left_names(Loss loss, std::mt19937& dice) const;
  [[nodiscard]] static std::string left_of(const Node& node, Loss loss, std::mt19937& dice);
  [[nodiscard]] std::vector<std::string> files() const;

  std::string database_;
  Names names_;    // as the kernel knows them
  Names platter_;  // as they are on the disk
  std::optional<Plan> plan_;
  int calls_seen_ = 0;  // calls of the plan's kind
  bool faulted_ = false;
  bool off_ = false;
};

}  // namespace sealpost::test
