#include "store/gate.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/alarm.h"
#include "base/result.h"

namespace sealpost {
Gate::Gate(std::string path)
    : path_(std::move(path)), file_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (file_ < 0) {
    throw Fault("the gate " + path_ + " cannot be opened (" + std::strerror(errno) +
                "): the home must be a folder of the user the gateway runs as");
  }
}

Gate::~Gate() { close(file_); }

Gate::Hold::~Hold() {
  if (file_ >= 0) flock(file_, LOCK_UN);
}

Gate::Hold Gate::enter() {
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) return Hold(file_);
  const Alarm deadline(kTimeout);
  while (flock(file_, LOCK_EX) != 0) {
    if (errno != EINTR) throw Fault("the gate " + path_ + ": " + std::strerror(errno));
    if (deadline.is_over()) {
      throw Fault("the gate " + path_ + " was held for more than 5 s: `fuser " + path_ +
                  "` names the process that holds it");
    }
  }
  return Hold(file_);
}

bool Gate::is_current() const {
  struct stat opened {};
  struct stat named {};
  return fstat(file_, &opened) == 0 && stat(path_.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

}  // namespace sealpost
