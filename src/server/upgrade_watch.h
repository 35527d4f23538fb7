// Whether another executable lies where this process was started from: an upgrade.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sealpost {

class UpgradeWatch {
 public:
  // This process's, as it lies there now.
  UpgradeWatch();

  // Whether another one lies there, and has since the last call: one that is still being copied
  // there is not whole.  A path that names nothing, or nothing that can be run, says no.
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
