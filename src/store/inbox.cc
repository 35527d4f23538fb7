#include "store/inbox.h"

#include "store/sql.h"

namespace sealpost {
namespace {

constexpr std::int64_t kUncounted = 10'000;  // stats counts so many messages anew each time
constexpr std::int64_t kPage = 50;

constexpr const char* kColumns =
    "SELECT id, name, topic, claims, received_at, sent_at, generation, install_nonce, counter, "
    "message_id, digest, body, state, attempt FROM inbox ";

InboxRow row_of(const Query& query) {
  const ByteView body = query.blob(11);
  return {query.number(0),
          query.text(1),
          query.text(2),
          query.text(3),
          query.time(4),
          query.time(5),
          static_cast<Generation>(query.number(6)),
          query.id<InstallNonce>(7),
          static_cast<std::uint64_t>(query.number(8)),
          query.id<MessageId>(9),
          query.id<crypto::Digest>(10),
          Bytes(body.begin(), body.end()),
          query.text(12),
          static_cast<int>(query.number(13))};
}

}  // namespace

void Inbox::list(const InboxFilter& filter, const std::function<void(const InboxRow&)>& each) {
  SQLite::Statement statement(database_.handle(), std::string(kColumns) + R"sql(
      WHERE id > ?1 AND (?2 IS NULL OR topic = ?2) AND (?3 IS NULL OR name = ?3)
      ORDER BY id
      LIMIT ?4)sql");
  // Reads a page at a time: `each` may wait for a person, and a reader must not stay open so long.
  InboxFilter rest = filter;
  std::vector<InboxRow> page;
  do {
    page.clear();
    const std::int64_t most = rest.limit < 0 ? kPage : std::min<std::int64_t>(rest.limit, kPage);
    {
      Query query(statement, rest.after, nullptr, nullptr, most);
      if (filter.topic) bind_value(statement, 2, *filter.topic);
      if (filter.name) bind_value(statement, 3, *filter.name);
      while (query.row()) page.push_back(row_of(query));
    }
    for (const InboxRow& row : page) each(row);
    if (!page.empty()) rest.after = page.back().number;
    if (rest.limit >= 0) rest.limit -= static_cast<std::int64_t>(page.size());
  } while (static_cast<std::int64_t>(page.size()) == kPage && rest.limit != 0);
}

InboxRow Inbox::find(std::int64_t number) {
  SQLite::Statement statement(database_.handle(), std::string(kColumns) + "WHERE id = ?");
  Query query(statement, number);
  if (!query.row()) {
    throw Fault(
        "There is no message " + std::to_string(number) +
        " in the inbox; it may have been pruned. `sealpost inbox list` lists all messages.");
  }
  return row_of(query);
}

// Looks and writes in one transaction: meanwhile prune could empty the message.
InboxRow Inbox::reopen(std::int64_t number, Time now) {
  Write write(database_);
  InboxRow row = find(number);
  SQLite::Statement update(
      database_.handle(),
      "UPDATE message SET status = 2, leased_until = ?2 WHERE id = ?1 AND status IN (9, 14)");
  if (Query(update, number, now).run() == 0) {
    throw Fault("Message " + std::to_string(number) + " is " + row.state +
                ". Only a failed or suspended message can be retried.");
  }
  write.commit();
  return row;
}

// The reply is empty, not NULL: NULL would mean that it was deleted.
void Inbox::mark_done(std::int64_t number) {
  Write write(database_);
  const InboxRow row = find(number);
  SQLite::Statement update(
      database_.handle(),
      "UPDATE message SET status = 0, reply = zeroblob(0) WHERE id = ? AND status = 14");
  if (Query(update, number).run() == 0) {
    throw Fault("Message " + std::to_string(number) + " is " + row.state +
                ". Only a suspended message can be marked as done.");
  }
  write.commit();
}

std::int64_t Inbox::last() {
  SQLite::Statement statement(database_.handle(), "SELECT coalesce(max(id), 0) FROM message");
  Query query(statement);
  query.row();
  return query.number(0);
}

// A step is short, because it holds the write lock.
bool Inbox::tally_step(std::int64_t few) {
  SQLite::Database& handle = database_.handle();
  const std::string uncounted =
      "SELECT count(*) FROM (SELECT 1 FROM message WHERE id > (SELECT tallied FROM server) LIMIT " +
      std::to_string(few + 1) + ")";
  if (handle.execAndGet(uncounted).getInt64() <= few) return false;
  Write write(database_);
  handle.exec(R"sql(
      INSERT INTO tally (day, name, outcome, count)
      SELECT day, name, outcome, count(*)
      FROM counted
      WHERE id IN (SELECT id FROM message WHERE id > (SELECT tallied FROM server)
                   ORDER BY id LIMIT 1000)
      GROUP BY day, name, outcome
      ON CONFLICT (day, name, outcome) DO UPDATE SET count = count + excluded.count;
      UPDATE server SET tallied = coalesce(
        (SELECT max(id) FROM (SELECT id FROM message WHERE id > (SELECT tallied FROM server)
                              ORDER BY id LIMIT 1000)), tallied);)sql");
  write.commit();
  return true;
}

std::vector<StatsRow> Inbox::stats() {
  while (tally_step(kUncounted)) database_.checkpoint(kFramesKept);
  SQLite::Statement statement(database_.handle(), R"sql(
      SELECT day, name, outcome, sum(count)
      FROM (
        SELECT day, name, outcome, count(*) AS count
        FROM counted
        WHERE id > (SELECT tallied FROM server)
        GROUP BY day, name, outcome
        UNION ALL
        SELECT day, name, outcome, count FROM tally
      )
      GROUP BY day, name, outcome
      HAVING sum(count) > 0
      ORDER BY day, name, outcome)sql");
  Query query(statement);
  std::vector<StatsRow> rows;
  while (query.row())
    rows.push_back({query.text(0), query.text(1), query.text(2), query.number(3)});
  return rows;
}

}  // namespace sealpost
