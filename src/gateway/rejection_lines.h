// Limits what unauthenticated clients can add to the log: one line a minute and reason.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "gateway/log_entry.h"

namespace sealpost {

class RejectionLines {
 public:
  // Returns the entry if it is to be written now.  Otherwise it is counted, and take_due() returns
  // it later, in a sum.
  [[nodiscard]] std::optional<LogEntry> add(const LogEntry& entry, Time now);

  // The sums whose minute is over; with `all`, every sum.  Each has the facts of its first entry.
  [[nodiscard]] std::vector<LogEntry> take_due(Time now, bool all);

  // Whether this entry is one that an unauthenticated client can cause as often as it likes.
  [[nodiscard]] static bool covers(const LogEntry& entry);

 private:
  struct Line {
    Time written_at;
    std::optional<LogEntry> sum;  // of what came since then
  };
  std::map<Reason, Line> lines_;
};

}  // namespace sealpost
