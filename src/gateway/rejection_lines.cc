#include "gateway/rejection_lines.h"

#include <utility>

namespace sealpost {

bool RejectionLines::covers(const LogEntry& entry) {
  return entry.outcome == LogOutcome::kRejected ||
         (entry.outcome == LogOutcome::kUnavailable && entry.name.empty());
}

std::optional<LogEntry> RejectionLines::add(const LogEntry& entry, Time now) {
  const auto [found, is_first] = lines_.try_emplace(entry.reason, Line{now, std::nullopt});
  Line& line = found->second;
  if (is_first) return entry;
  if (line.sum) {
    ++line.sum->count;
    return std::nullopt;
  }
  if (distance(now, line.written_at) >= kMinute) {
    line.written_at = now;
    return entry;
  }
  line.sum = entry;
  return std::nullopt;
}

std::vector<LogEntry> RejectionLines::take_due(Time now, bool all) {
  std::vector<LogEntry> due;
  for (auto& [reason, line] : lines_) {
    if (!line.sum || (!all && distance(now, line.written_at) < kMinute)) continue;
    line.written_at = now;
    due.push_back(*std::exchange(line.sum, std::nullopt));
  }
  return due;
}

}  // namespace sealpost
