// The write lock: every writer and every checkpoint holds it, one at a time.  It is an flock on a
// file beside the database.
//
// The kernel queues the waiting processes, which is fairer than SQLite's busy handler.  The lock
// also keeps two connections from writing and checkpointing a WAL at the same moment, which can
// corrupt the database in SQLite before 3.51.3.
#pragma once

#include <string>

#include "base/time.h"

namespace sealpost {

class WriteLock {
 public:
  static constexpr Milliseconds kTimeout = 5 * kSecond;

  // Opens the file, or makes it, 0600.  Throws Fault if it cannot.
  explicit WriteLock(std::string path);
  ~WriteLock();
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

  // Releases the lock in its destructor.
  class Guard {
   public:
    explicit Guard(int file) : file_(file) {}
    ~Guard();
    Guard(Guard&& other) noexcept : file_(other.file_) { other.file_ = -1; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    Guard& operator=(Guard&&) = delete;

   private:
    int file_;
  };
  // Waits for at most kTimeout, then throws Fault.  Uses SIGALRM, which must not be blocked.
  [[nodiscard]] Guard acquire();

  // Whether the path still names the open file: a home can be replaced under a running gateway.
  [[nodiscard]] bool is_current() const;

 private:
  std::string path_;
  int file_;
};

}  // namespace sealpost
