// Whether this process's program file was replaced: an upgrade.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sealpost {

class UpgradeWatch {
 public:
  // Remembers the program file as it is now.
  UpgradeWatch();

  // Whether another program file is there, unchanged since the last call: a file that is still
  // being copied is not complete.  False if the path names no file, or a file that cannot be run.
  [[nodiscard]] bool is_replaced();

 private:
  struct Mark {
    dev_t device = 0;
    ino_t inode = 0;  // of no file
    off_t size = 0;
    std::int64_t nanoseconds = 0;  // when it was last changed
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  [[nodiscard]] Mark look() const;

  std::string path_;
  Mark started_;
  Mark last_;
};

}  // namespace sealpost
