// Inbox::prune.  Old messages are looked up without the write lock.  Each step then holds the lock
// for a few milliseconds, and looks again at the few messages that it changes.
#include <chrono>

#include "store/inbox.h"
#include "store/quota.h"
#include "store/sql.h"

namespace sealpost {
namespace {

using Clock = std::chrono::steady_clock;
using Pruned = Inbox::Pruned;

constexpr std::int64_t kLookedAt = 5000;
constexpr std::size_t kMostRows = 1000;
constexpr std::int64_t kMostBytes = 1 << 20;
constexpr auto kShort = std::chrono::milliseconds(8);
constexpr auto kLong = std::chrono::milliseconds(20);

// A message goes if its client was removed or its counter lies below the window.  Otherwise it is
// emptied, if it is not empty already.  The newest row stays.
constexpr const char* kPrunable = R"sql(
    SELECT message.id, message.received_at, message.topic IS NOT NULL AS is_full,
           coalesce(length(message.body), 0) + coalesce(length(message.reply), 0) AS bytes,
           message.id <> (SELECT max(id) FROM message) AND
             (client.name IS NULL OR message.counter + ?1 <
               (SELECT max(counter) + 1 FROM message AS newest
                WHERE newest.installation = message.installation)) AS goes
    FROM message
    CROSS JOIN installation ON installation.id = message.installation
    LEFT JOIN client ON client.name = installation.name
    WHERE message.status <> 2 AND +message.id <= (SELECT tallied FROM server) AND )sql";

class Pruning {
 public:
  Pruning(Database& database, Time before)
      : database_(database),
        handle_(database.handle()),
        before_(before),
        look_(handle_, std::string(kPrunable) + R"sql(
          (message.received_at, message.id) > (?2, ?3) AND message.received_at < ?4
          ORDER BY message.received_at, message.id
          LIMIT ?5)sql") {
    handle_.exec("CREATE TEMP TABLE picked (id INTEGER PRIMARY KEY)");
    handle_.exec("CREATE TEMP TABLE step (id INTEGER PRIMARY KEY, goes INTEGER)");
  }
  ~Pruning() { handle_.tryExec("DROP TABLE IF EXISTS picked; DROP TABLE IF EXISTS step"); }
  Pruning(const Pruning&) = delete;
  Pruning& operator=(const Pruning&) = delete;

  // Does one step.  False if nothing more is old.
  bool step() {
    if (!look()) return false;
    if (!picked_.empty()) change();
    return true;
  }
  [[nodiscard]] const Pruned& pruned() const { return pruned_; }

 private:
  // Picks messages for the next step.  False if there is nothing more to look at.
  bool look() {
    picked_.clear();
    std::int64_t seen = 0;
    std::int64_t bytes = 0;
    Query query(look_, kWindow, after_time_, after_id_, before_, kLookedAt);
    while (picked_.size() < rows_ && bytes < kMostBytes && query.row()) {
      ++seen;
      after_id_ = query.number(0);
      after_time_ = query.time(1);
      if (query.number(2) == 0 && query.number(4) == 0) continue;
      picked_.push_back(after_id_);
      bytes += query.number(3);
    }
    return seen > 0;
  }

  void change() {
    const Clock::time_point begun = Clock::now();
    {
      Write write(database_);
      choose();
      SQLite::Statement remove(handle_,
                               "DELETE FROM message WHERE id IN (SELECT id FROM step WHERE goes)");
      pruned_.deleted += Query(remove).run();
      SQLite::Statement empty(handle_, R"sql(
          UPDATE message
          SET sent_at = NULL, message_id = NULL, topic = NULL, claims = NULL, body = NULL
          WHERE topic IS NOT NULL AND id IN (SELECT id FROM step WHERE NOT goes))sql");
      pruned_.emptied += Query(empty).run();
      forget_usage(handle_);
      write.commit();
    }
    const auto held = Clock::now() - begun;
    if (held > kLong) rows_ = std::max<std::size_t>(rows_ / 2, 10);
    if (held < kShort) rows_ = std::min(rows_ * 2, kMostRows);
  }

  // Since look(), handlers and clients may have changed what is picked.
  void choose() {
    handle_.exec("DELETE FROM picked; DELETE FROM step");
    SQLite::Statement pick(handle_, "INSERT INTO picked VALUES (?)");
    for (const std::int64_t id : picked_) Query(pick, id).run();
    SQLite::Statement choose(
        handle_, "INSERT INTO step SELECT id, goes FROM (" + std::string(kPrunable) + R"sql(
          message.id IN (SELECT id FROM picked) AND +message.received_at < ?2))sql");
    Query(choose, kWindow, before_).run();
  }

  Database& database_;
  SQLite::Database& handle_;
  Time before_;
  SQLite::Statement look_;
  Time after_time_{};
  std::int64_t after_id_ = 0;
  std::vector<std::int64_t> picked_;
  std::size_t rows_ = 100;
  Pruned pruned_;
};

}  // namespace

Pruned Inbox::prune(Time before) {
  while (tally_step(0)) database_.checkpoint(kFramesKept);
  Pruning pruning(database_, before);
  while (pruning.step()) database_.checkpoint(kFramesKept);
  delete_unused_installations();
  (void)database_.trim_wal(true);  // the pruned messages lie there, too
  return pruning.pruned();
}

void Inbox::delete_unused_installations() {
  constexpr const char* kUnused = R"sql(
      WHERE name NOT IN (SELECT name FROM client)
        AND NOT EXISTS (SELECT 1 FROM message WHERE message.installation = installation.id)
        AND NOT EXISTS (SELECT 1 FROM session WHERE session.installation = installation.id))sql";
  SQLite::Database& handle = database_.handle();
  std::vector<std::int64_t> unused;
  {
    SQLite::Statement select(handle, std::string("SELECT id FROM installation") + kUnused);
    Query query(select);
    while (query.row()) unused.push_back(query.number(0));
  }
  SQLite::Statement remove(handle,
                           std::string("DELETE FROM installation") + kUnused + " AND id = ?");
  for (const std::int64_t id : unused) {
    Write write(database_);
    Query(remove, id).run();
    write.commit();
  }
}

}  // namespace sealpost
