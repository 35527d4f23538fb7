#include "store/quota.h"

namespace sealpost {
namespace {

constexpr const char* kForget = "DELETE FROM usage";

std::int64_t day_of(Time now) { return static_cast<std::int64_t>(now.time_since_epoch() / kDay); }

}  // namespace

Quota::Quota(SQLite::Database& handle)
    : handle_(handle), select_any_(handle, "SELECT 1 FROM usage"), forget_(handle, kForget) {}

void Quota::set_limits(const AdmissionLimits& limits) {
  limits_ = limits;
  // A DELETE that finds nothing still writes.
  if (!has_quota() && Query(select_any_).row()) Query(forget_).run();
}

bool Quota::has_room(const std::string& name, std::size_t bytes, Time now) {
  if (!has_quota()) return true;
  ensure_row(name, now);
  SQLite::Statement select(handle_,
                           "SELECT iif(day = ?2, messages, 0), bytes FROM usage WHERE name = ?1");
  Query usage(select, name, day_of(now));
  usage.row();
  const std::int64_t kept = usage.number(1) + static_cast<std::int64_t>(bytes);
  return (limits_.messages_a_day == 0 || usage.number(0) < limits_.messages_a_day) &&
         (limits_.bytes_kept == 0 || kept <= limits_.bytes_kept);
}

void Quota::count(const std::string& name, std::size_t bytes, Time now) {
  if (!has_quota()) return;
  SQLite::Statement update(handle_, R"sql(
      UPDATE usage SET
        messages = iif(day = ?2, messages, 0) + 1,
        day = ?2,
        bytes = bytes + ?3
      WHERE name = ?1)sql");
  Query(update, name, day_of(now), static_cast<std::int64_t>(bytes)).run();
}

bool Quota::should_alarm(const std::string& name, Time now) {
  SQLite::Statement update(handle_, R"sql(
      UPDATE usage SET alarmed_at = ?2
      WHERE name = ?1 AND alarmed_at NOT BETWEEN ?3 AND ?2)sql");
  return Query(update, name, now, before(now, kHour)).run() > 0;
}

// Makes the client's row if it does not exist.
void Quota::ensure_row(const std::string& name, Time now) {
  SQLite::Statement select(handle_, "SELECT 1 FROM usage WHERE name = ?");
  if (Query(select, name).row()) return;
  SQLite::Statement insert(handle_, R"sql(
      INSERT INTO usage (name, day, messages, bytes)
      SELECT ?1, ?2, count(*) FILTER (WHERE message.received_at >= ?3),
             coalesce(sum(length(message.body)), 0)
      FROM installation JOIN message ON message.installation = installation.id
      WHERE installation.name = ?1)sql");
  const std::int64_t day = day_of(now);
  Query(insert, name, day, day * static_cast<std::int64_t>(kDay.count())).run();
}

void forget_usage(SQLite::Database& handle) { handle.exec(kForget); }

}  // namespace sealpost
