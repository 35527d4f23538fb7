// A timeout for a blocking system call: when the time is up, the call returns with EINTR.
#pragma once

#include <chrono>

#include "base/time.h"

namespace sealpost {

// Interrupts this thread from the end of `timeout` until the destructor.
//
// It signals again every 10 ms, because a signal that comes just before the call begins is lost. It
// uses SIGALRM, which must not be blocked.  A thread can have one Deadline at a time.
class Deadline {
 public:
  // Throws Fault if the kernel cannot make a timer.
  explicit Deadline(Milliseconds timeout);
  ~Deadline();
  // Whether the time is up.
  [[nodiscard]] bool has_passed() const { return std::chrono::steady_clock::now() >= end_; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace sealpost
