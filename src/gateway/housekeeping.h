// Work that need not be done while a client waits.
#pragma once

#include <string>

#include "base/time.h"
#include "gateway/exchange.h"
#include "gateway/session_cache.h"
#include "store/store.h"

namespace sealpost {

class Housekeeping {
 public:
  // Notes an answer for the statistics: rejections are counted here, messages by their own rows.
  void count(const Answered& answered, Time now);

  // The store was opened or failed: another process, or this store before, may have ended sessions
  // and left their keys in the WAL.
  void expect_ended_keys() { may_hold_ended_keys_ = true; }

  // Writes the rejection counts, every 10 s and only after messages were written: unauthenticated
  // clients alone must not cause a write.  Every 5 minutes it forgets cached sessions and erases
  // the keys of ended sessions from the files.  With `at_exit` it does all that at once.  A store
  // that fails is tried again at the next call.
  void run(Store& store, SessionCache& sessions, Time now, bool at_exit);

  // Whether nothing has to be done soon.
  [[nodiscard]] bool is_done(const Store& store) const {
    return !may_hold_ended_keys_ && !store.needs_full_cleanup();
  }

  // Leaves the database so that the next process starts fast.  For CGI, after the answer was sent.
  void finish(Store& store) { clean_up(store, Cleanup::kFull); }

 private:
  void write_counts(Store& store, Time now);
  void clean_up(Store& store, Cleanup extent);

  RejectionCounts rejection_counts_;
  bool accepted_messages_ = false;  // since the last run()
  Time counts_written_at_{};
  Time cleaned_up_at_{};
  bool may_hold_ended_keys_ = false;
};

}  // namespace sealpost
