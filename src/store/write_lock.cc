#include "store/write_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/deadline.h"
#include "base/result.h"

namespace sealpost {
WriteLock::WriteLock(std::string path)
    : path_(std::move(path)), file_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (file_ < 0) {
    throw Fault("Cannot open the write lock " + path_ + ": " + std::strerror(errno) +
                ". The home must be a directory of the user that the gateway runs as.");
  }
}

WriteLock::~WriteLock() { close(file_); }

WriteLock::Guard::~Guard() {
  if (file_ >= 0) flock(file_, LOCK_UN);
}

WriteLock::Guard WriteLock::acquire() {
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) return Guard(file_);
  const Deadline deadline(kTimeout);
  while (flock(file_, LOCK_EX) != 0) {
    if (errno != EINTR) {
      throw Fault("Cannot take the write lock " + path_ + ": " + std::strerror(errno) + ".");
    }
    if (deadline.has_passed()) {
      throw Fault("Another process held the write lock " + path_ + " for more than 5 s. `fuser " +
                  path_ + "` names the process.");
    }
  }
  return Guard(file_);
}

bool WriteLock::is_current() const {
  struct stat opened {};
  struct stat named {};
  return fstat(file_, &opened) == 0 && stat(path_.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

}  // namespace sealpost
