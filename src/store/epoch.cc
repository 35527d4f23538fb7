#include "store/epoch.h"

#include <SQLiteCpp/Statement.h>

#include "base/result.h"
#include "crypto/primitives.h"
#include "store/issuance_comparison.h"

namespace sealpost {
namespace {

// The handler of a message in progress may have acted after the copy was made (PROTOCOL 7).
std::int64_t suspend_deliveries(SQLite::Database& handle) {
  return handle.exec("UPDATE message SET status = 14, leased_until = NULL WHERE status = 2");
}

}  // namespace

std::int64_t start_epoch(SQLite::Database& handle, const std::string& issuance_log,
                         const ServerId& server_id, const std::string& reason, Time now) {
  const auto epoch = crypto::random_id<Epoch>();
  SQLite::Statement start(handle, R"sql(
      INSERT INTO server (one, server_id, epoch, epoch_since, epoch_reason) VALUES (1, ?, ?, ?, ?)
      ON CONFLICT (one) DO UPDATE SET
        epoch = excluded.epoch,
        epoch_since = excluded.epoch_since,
        epoch_reason = excluded.epoch_reason)sql");
  start.bind(1, server_id.bytes.data(), static_cast<int>(ServerId::kSize));
  start.bind(2, epoch.bytes.data(), static_cast<int>(Epoch::kSize));
  start.bind(3, static_cast<std::int64_t>(to_ms(now)));
  start.bind(4, reason);
  start.exec();
  handle.exec("DELETE FROM session");
  if (read_issuance_log(issuance_log).empty() &&
      handle.execAndGet("SELECT count(*) FROM client").getInt() > 0) {
    throw Fault("The issuance log " + issuance_log +
                " is missing, so sealpost cannot tell which clients are revoked. Restore it from a "
                "copy.");
  }
  apply_issuance_log(handle, issuance_log);
  return suspend_deliveries(handle);
}

}  // namespace sealpost
