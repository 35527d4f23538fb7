// How much each client has sent and has stored, if the operator has set a quota.  The table `usage`
// caches it; the transactions that admit keep it up to date.
#pragma once

#include <SQLiteCpp/Database.h>

#include "store/sql.h"
#include "store/store.h"

namespace sealpost {

class Quota {
 public:
  explicit Quota(SQLite::Database& handle);

  // Once per transaction, before the other calls.  Without quotas nothing is counted, and older
  // counts are deleted.
  void set_limits(const AdmissionLimits& limits);

  // Whether there is room for one more message with a body of this size.
  [[nodiscard]] bool has_room(const std::string& name, std::size_t bytes, Time now);
  // The most bytes that the body of one message may have.
  [[nodiscard]] std::size_t largest_body() const {
    return limits_.bytes_kept == 0 ? ~std::size_t{0} : static_cast<std::size_t>(limits_.bytes_kept);
  }
  void count(const std::string& name, std::size_t bytes, Time now);
  // Whether to tell the operator that a client's quota is used up: once an hour.
  [[nodiscard]] bool should_alarm(const std::string& name, Time now);

 private:
  [[nodiscard]] bool has_quota() const {
    return limits_.messages_a_day > 0 || limits_.bytes_kept > 0;
  }
  void ensure_row(const std::string& name, Time now);

  SQLite::Database& handle_;
  Prepared select_any_;
  Prepared forget_;
  AdmissionLimits limits_;
};

// Deletes all counts, inside the caller's write transaction, because the messages have changed.
void forget_usage(SQLite::Database& handle);

}  // namespace sealpost
