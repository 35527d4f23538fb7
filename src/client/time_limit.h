// How long a command may take, and when a transfer may go on after that.
#pragma once

#include <chrono>

#include "base/time.h"

namespace sealpost {

// The time of one command.  It uses the steady clock, so a change of the wall clock does not
// matter.
class TimeLimit {
 public:
  explicit TimeLimit(Milliseconds whole) : whole_(whole) { restart(); }

  // Begins again with the whole time.
  void restart() { end_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(whole_); }
  // 0 if the time is up.
  [[nodiscard]] Milliseconds left() const;

 private:
  Milliseconds whole_;
  std::chrono::steady_clock::time_point end_;
};

// What a transfer has done so far.
struct Movement {
  Milliseconds moved;   // from its start to its last byte
  Milliseconds silent;  // since then
};

// Why a transfer must end.
enum class Cut { kNone, kStandsStill, kTimeIsUp };

// A transfer ends if no byte moved for 20 s.  If the command's time is up, it ends as well, unless
// it moves: it may then be silent as long as it had moved before, at most 20 s.  So a small request
// without an answer ends at once, and a large body on a slow uplink arrives and gets its answer.
[[nodiscard]] Cut cut_of(const Movement& movement, Milliseconds left);

}  // namespace sealpost
