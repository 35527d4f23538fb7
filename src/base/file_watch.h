// Detects that a file or folder has changed.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace sealpost {

class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_(std::move(path)) {}

  // Whether the file may have changed since the last call.  The first call returns true.
  //
  // File times are coarse: two changes within a second can have the same time.  So if the file
  // changed within a second of the last call that returned true, this returns true again.
  // Throws Fault if the file's status cannot be read.
  [[nodiscard]] bool has_changed();
  // Whether the file existed at the last call of has_changed().
  [[nodiscard]] bool exists() const { return last_.size >= 0; }

 private:
  struct Snapshot {
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // -1: there is no file
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
  };
  [[nodiscard]] Snapshot take_snapshot() const;

  std::string path_;
  Snapshot last_;
  Time reported_at_{};  // when has_changed() last returned true
};

}  // namespace sealpost
