// A bound on a blocking call of this thread: when the time is up, the call returns with EINTR.
#pragma once

#include <chrono>

#include "base/time.h"

namespace sealpost {

// From its making until it goes.  It interrupts again every 10 ms, because an alarm that comes just
// before the call begins is lost.  Uses SIGALRM, which must not be blocked; one at a time in a
// thread.
class Deadline {
 public:
  // Throws Fault if the kernel has no timer.
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
