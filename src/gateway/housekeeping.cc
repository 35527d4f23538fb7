#include "gateway/housekeeping.h"

#include <utility>

namespace sealpost {
namespace {

constexpr Milliseconds kCountsInterval = 10 * kSecond;
constexpr Milliseconds kCleanupInterval = 5 * kMinute;

}  // namespace

void Housekeeping::count(const Answered& answered, Time now) {
  const LogEntry& entry = answered.requester.entry;
  accepted_messages_ = accepted_messages_ || entry.outcome == LogOutcome::kAccepted;
  if (answered.requester.stored || entry.outcome == LogOutcome::kSession) return;
  const std::string_view what =
      answered.response.sealed ? text_of(entry.outcome) : text_of(entry.reason);
  ++rejection_counts_[{iso_time(now).substr(0, 10), entry.name, std::string(what)}];
}

void Housekeeping::run(Store& store, SessionCache& sessions, Time now, bool at_exit) {
  const bool accepted_messages = std::exchange(accepted_messages_, false);
  const bool due = accepted_messages && distance(now, counts_written_at_) >= kCountsInterval;
  if (!rejection_counts_.empty() && (at_exit || due)) write_counts(store, now);

  clean_up(store, Cleanup::kLight);
  if (cleaned_up_at_ == Time{}) cleaned_up_at_ = now;
  if (!at_exit && distance(now, cleaned_up_at_) < kCleanupInterval) return;
  cleaned_up_at_ = now;
  // The cache holds keys, too, and another process may have ended their sessions.
  sessions.clear();
  if (is_done(store)) return;
  const bool presume = std::exchange(may_hold_ended_keys_, false);
  clean_up(store, presume ? Cleanup::kFullPresumingEndedSessions : Cleanup::kFull);
}

void Housekeeping::write_counts(Store& store, Time now) {
  counts_written_at_ = now;
  try {
    store.add_rejection_counts(rejection_counts_);
    rejection_counts_.clear();
  } catch (const std::exception&) {
    // The log says already that the database fails.  The counts wait for the next time.
    may_hold_ended_keys_ = true;  // the store has closed its connection, and forgot what it ended
  }
}

void Housekeeping::clean_up(Store& store, Cleanup extent) {
  try {
    store.clean_up(extent);
  } catch (const std::exception&) {
    // Another process holds the write lock, or the disk fails.  The next time will do.
    if (extent != Cleanup::kLight) may_hold_ended_keys_ = true;
  }
}

}  // namespace sealpost
