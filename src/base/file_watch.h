// Whether a file is still the one it was.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace sealpost {

class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_(std::move(path)) {}

  // Whether the file or folder may have changed since the last call; the first time, yes.  One that
  // changed just before that call may have changed again without its time showing it, so for a
  // second the answer stays yes.  Throws Fault if it cannot be looked at.
  [[nodiscard]] bool has_changed();
  // As the last call found it.
  [[nodiscard]] bool exists() const { return mark_.size >= 0; }

 private:
  struct Mark {
    std::uint64_t inode = 0;
    std::int64_t size = -1;  // of no file
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  [[nodiscard]] Mark look() const;

  std::string path_;
  Mark mark_;
  Time looked_at_{};  // when has_changed() last said yes
};

}  // namespace sealpost
