// How much a client has sent and has lying here, where the operator has set a bound: a cache in the
// database, kept inside the transactions that admit.
#pragma once

#include <SQLiteCpp/Database.h>

#include "store/sql.h"
#include "store/store.h"

namespace sealpost {

class Quota {
 public:
  explicit Quota(SQLite::Database& handle);

  // Once a transaction, before anything is asked or counted: without bounds nothing is counted, and
  // what was counted before is no longer true.
  void set_limits(const AdmissionLimits& limits);

  // Whether there is room for one more message with a body of this size.
  [[nodiscard]] bool has_room(const std::string& name, std::size_t bytes, Time now);
  void count(const std::string& name, std::size_t bytes, Time now);
  // Whether the operator is to be told that a client's quota is used up: once an hour.
  [[nodiscard]] bool should_alarm(const std::string& name, Time now);

 private:
  [[nodiscard]] bool is_bounded() const {
    return limits_.messages_a_day > 0 || limits_.bytes_kept > 0;
  }
  void take_stock(const std::string& name, Time now);

  SQLite::Database& handle_;
  Prepared select_any_;
  Prepared forget_;
  AdmissionLimits limits_;
};

// Inside the caller's write transaction: what was counted is no longer true.
void forget_usage(SQLite::Database& handle);

}  // namespace sealpost
