#include "store/inbox.h"

#include "store/quota.h"
#include "store/sql.h"

namespace sealpost {
namespace {

constexpr int kStep = 1000;
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

Inbox::Pruned Inbox::prune(Time before) {
  Pruned pruned;
  std::int64_t after = 0;
  do {
    after = prune_step(before, after, pruned);
  } while (after > 0);
  delete_unused_installations();
  (void)database_.trim_wal(true);  // the pruned messages lie there, too
  return pruned;
}

void Inbox::delete_unused_installations() {
  Write write(database_);
  database_.handle().exec(R"sql(
      DELETE FROM installation
      WHERE name NOT IN (SELECT name FROM client)
        AND id NOT IN (SELECT installation FROM message)
        AND id NOT IN (SELECT installation FROM session WHERE installation IS NOT NULL))sql");
  write.commit();
}

std::int64_t Inbox::prune_step(Time before, std::int64_t after, Pruned& pruned) {
  Write write(database_);
  SQLite::Database& handle = database_.handle();
  handle.exec("CREATE TEMP TABLE IF NOT EXISTS step (id INTEGER PRIMARY KEY, goes INTEGER)");
  handle.exec("DELETE FROM step");
  SQLite::Statement choose(handle, R"sql(
      INSERT INTO step
      SELECT message.id,
             client.name IS NULL OR message.counter + ?3 <
               (SELECT max(counter) + 1 FROM message AS newest
                WHERE newest.installation = message.installation)
      FROM message
      JOIN installation ON installation.id = message.installation
      LEFT JOIN client ON client.name = installation.name
      WHERE message.id > ?2 AND message.received_at < ?1 AND message.status <> 2
      ORDER BY message.id
      LIMIT ?4)sql");
  Query(choose, before, after, kWindow, kStep).run();
  handle.exec("UPDATE step SET goes = 0 WHERE id = (SELECT max(id) FROM message)");

  SQLite::Statement tally(handle, R"sql(
      INSERT INTO tally (day, name, outcome, count)
      SELECT day, name, outcome, count(*)
      FROM step JOIN counted USING (id)
      WHERE step.goes
      GROUP BY day, name, outcome
      ON CONFLICT (day, name, outcome) DO UPDATE SET count = count + excluded.count)sql");
  Query(tally).run();
  SQLite::Statement remove(handle,
                           "DELETE FROM message WHERE id IN (SELECT id FROM step WHERE goes)");
  pruned.deleted += Query(remove).run();
  SQLite::Statement empty(handle, R"sql(
      UPDATE message SET sent_at = NULL, message_id = NULL, topic = NULL, claims = NULL, body = NULL
      WHERE topic IS NOT NULL AND id IN (SELECT id FROM step WHERE NOT goes))sql");
  pruned.emptied += Query(empty).run();

  forget_usage(handle);

  const std::int64_t last = handle.execAndGet("SELECT coalesce(max(id), 0) FROM step").getInt64();
  write.commit();
  return last;
}

std::vector<StatsRow> Inbox::stats() {
  SQLite::Statement statement(database_.handle(), R"sql(
      SELECT day, name, outcome, sum(count)
      FROM (
        SELECT day, name, outcome, count(*) AS count FROM counted GROUP BY day, name, outcome
        UNION ALL
        SELECT day, name, outcome, count FROM tally
      )
      GROUP BY day, name, outcome
      ORDER BY day, name, outcome)sql");
  Query query(statement);
  std::vector<StatsRow> rows;
  while (query.row())
    rows.push_back({query.text(0), query.text(1), query.text(2), query.number(3)});
  return rows;
}

}  // namespace sealpost
