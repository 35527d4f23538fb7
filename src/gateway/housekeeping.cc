// What a gateway does while nobody waits.
#include <utility>

#include "gateway/gateway.h"

namespace sealpost {
namespace {

constexpr Milliseconds kTallyInterval = 10 * kSecond;
constexpr Milliseconds kTrimInterval = 5 * kMinute;

}  // namespace

void Gateway::tidy(Time now, bool at_exit) {
  // Only beside what was written anyway: strangers alone must not make us write.
  const bool wrote = std::exchange(has_written_, false);
  const bool tally_is_due =
      at_exit || (wrote && distance(now, tally_written_at_) >= kTallyInterval);
  if (!rejection_counts_.empty() && tally_is_due) {
    tally_written_at_ = now;
    try {
      house().store().add_rejection_counts(rejection_counts_);
      rejection_counts_.clear();
    } catch (const std::exception&) {
      // The database is in trouble, and the log says so already: the counts wait.
      may_hold_ended_keys_ = true;  // the store has closed it, and forgotten what it ended
    }
  }
  if (!house_) return;
  try {
    house_->store().checkpoint();
  } catch (const std::exception&) {
    // Another process holds the gate; the next time will do.
  }
  if (trimmed_at_ == Time{}) trimmed_at_ = now;
  if (!at_exit && distance(now, trimmed_at_) < kTrimInterval) return;
  trimmed_at_ = now;
  // The keys of sessions that have ended lie there, too, and another process may have ended them.
  sessions_.forget_all();
  if (!is_tidy()) trim(std::exchange(may_hold_ended_keys_, false));
}

bool Gateway::is_tidy() const {
  return !house_ || (!may_hold_ended_keys_ && !house_->store().has_ended_sessions());
}

void Gateway::trim() { trim(false); }

void Gateway::trim(bool presume_ended_sessions) {
  try {
    if (house_) house_->store().trim(presume_ended_sessions);
  } catch (const std::exception&) {
    may_hold_ended_keys_ = true;  // tried again
  }
}

}  // namespace sealpost
