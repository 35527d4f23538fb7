// The steps of PROTOCOL 5 and 6 that look at the database, over one connection.  Each runs inside
// the caller's transaction and commits nothing.
#pragma once

#include "store/database.h"
#include "store/quota.h"
#include "store/sql.h"
#include "store/store.h"

namespace sealpost {

class Ledger {
 public:
  Ledger(const StorePaths& paths, const ServerId& server_id)
      : server_id_(server_id), database_(paths, server_id) {}

  [[nodiscard]] Database& database() { return database_; }

  [[nodiscard]] Epoch epoch();
  [[nodiscard]] std::optional<StoredSession> find_session(const SessionId& id, Time now);
  [[nodiscard]] bool has_seen(const crypto::Digest& handshake, Time now);

  // Deletes expired sessions, keys and all, and handshakes that may be forgotten.
  void delete_expired(Time now);
  // Whether sessions were deleted over this connection: their keys may still lie in the WAL.
  [[nodiscard]] bool has_ended_sessions() const { return ended_sessions_; }
  // Empties the WAL if keys of ended sessions may lie in it, or if it makes the next start slow.
  // Outside of any transaction.
  void trim_wal(bool presume_ended_sessions);

  // PROTOCOL 5, steps 4 and 8-10, and the session they lead to.
  [[nodiscard]] SessionStart start_session(const NewSession& session, const Keyring& keyring,
                                           Time now);

  // Once per transaction, before it admits anything.
  void set_limits(const AdmissionLimits& limits);
  // PROTOCOL 6, steps 5-9.  set_limits() comes first.
  [[nodiscard]] Admission admit(Candidate& candidate, const Keyring& keyring, const Epoch& epoch,
                                Time now);

  // Saves a handler's result unless one is saved already; returns how the message stands then.  A
  // suspended message takes a result, but stays suspended if its handler was interrupted.
  [[nodiscard]] SavedResult save_result(const JobResult& result, Time now);
  // Whether a message in progress has a lease that has ended.
  [[nodiscard]] bool has_overdue(Time now);
  [[nodiscard]] ClaimedJobs claim_overdue(std::size_t most, Milliseconds lease,
                                          const DeliveriesAtWork& at_work, Time now);

  // Remembers a handshake, so that a replay of it begins no session.
  void remember(const crypto::Digest& handshake, const Installation& who, Time now);
  // The database has proved to be an old copy (PROTOCOL 7).
  void roll_epoch(const ServerId& server_id, Time now);

  void add_rejection_counts(const RejectionCounts& counts);

 private:
  Prepared prepare(const char* sql) { return {database_.handle(), sql}; }

  std::optional<std::int64_t> find_installation(const Installation& who);
  std::uint64_t next_of(std::optional<std::int64_t> installation);
  bool is_revoked(const Session& session, Time now);
  std::int64_t store_keys(ByteView sealed_keys);
  std::int64_t sessions_begun(const Installation& who, Time now);
  void make_room_for_pending(const Installation& who, Time now);
  std::int64_t make_active(const Session& session, std::optional<std::int64_t> installation,
                           Time now);
  Admission decide_counter(Candidate& candidate, std::int64_t installation, Admission admission,
                           Time now);
  bool find_used(Candidate& candidate, std::int64_t installation, Admission& admission, Time now);
  void decide_in_progress(Candidate& candidate, Time leased_until, Admission& admission, Time now);
  bool has_room_for(Candidate& candidate, Admission& admission, Time now);
  void store_new(const Candidate& candidate, std::int64_t installation, Admission& admission,
                 Time now);
  // Throws if the row lacks something or cannot be read.
  DeliveryJob job_of(const Query& query) const;
  bool should_alarm_of_no_route(const std::string& topic, Time now);
  void drop_replies(const OpenedRecord& record, std::int64_t installation, std::uint64_t next);

  ServerId server_id_;
  Database database_;
  bool ended_sessions_ = false;
  bool keeps_replies_ = false;  // of any client, when the transaction began
  AdmissionLimits limits_;
  Quota quota_{database_.handle()};

  Prepared select_epoch_ = prepare("SELECT epoch FROM server");
  Prepared select_client_ = prepare(R"sql(
      SELECT generation, kid, revoked_at IS NOT NULL, former, former_kid, former_until
      FROM client
      WHERE name = ?)sql");
  Prepared raise_generation_ = prepare(R"sql(
      UPDATE client
      SET generation = ?2, kid = ?3, former = NULL, former_kid = NULL, former_until = NULL
      WHERE name = ?1 AND generation <= ?2)sql");

  Prepared select_session_ = prepare(R"sql(
      SELECT name, generation, kid, install_nonce, session_key.sealed_keys, live_until
      FROM session JOIN session_key ON session_key.id = session.keys
      WHERE session_id = ? AND live_until > ?)sql");
  Prepared select_live_ =
      prepare("SELECT installation FROM session WHERE session_id = ? AND live_until > ?");
  Prepared count_begun_ = prepare(R"sql(
      SELECT count(*)
      FROM handshake
      WHERE name = ?1 AND generation = ?2 AND seen_at > ?3 AND seen_at <= ?4)sql");
  Prepared end_oldest_pending_ = prepare(R"sql(
      DELETE FROM session
      WHERE session_id IN (
        SELECT session_id
        FROM session
        WHERE name = ?1 AND generation = ?2 AND installation IS NULL
        ORDER BY begun_at <= ?3 DESC, begun_at DESC
        LIMIT -1 OFFSET ?4))sql");
  Prepared select_free_keys_ = prepare("SELECT id FROM session_key WHERE in_use = 0 LIMIT 1");
  Prepared reuse_keys_ =
      prepare("UPDATE session_key SET in_use = 1, sealed_keys = ?2 WHERE id = ?1");
  Prepared add_keys_ = prepare("INSERT INTO session_key (in_use, sealed_keys) VALUES (1, ?)");
  Prepared add_session_ = prepare(R"sql(
      INSERT INTO session (session_id, name, generation, kid, install_nonce, keys, begun_at,
                           live_until, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql");
  Prepared activate_session_ = prepare(
      "UPDATE session SET installation = ?2, live_until = expires_at WHERE session_id = ?1");
  Prepared end_other_sessions_ = prepare(R"sql(
      DELETE FROM session
      WHERE name = ?1 AND session_id <> ?2 AND (installation IS NOT NULL OR generation <= ?3))sql");
  Prepared select_expired_session_ = prepare("SELECT 1 FROM session WHERE live_until <= ?");
  Prepared end_expired_sessions_ = prepare("DELETE FROM session WHERE live_until <= ?");

  Prepared select_handshake_ = prepare("SELECT 1 FROM handshake WHERE digest = ? AND seen_at > ?");
  Prepared add_handshake_ = prepare(R"sql(
      INSERT INTO handshake (digest, name, generation, seen_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (digest) DO UPDATE SET seen_at = excluded.seen_at)sql");
  Prepared select_old_handshake_ = prepare("SELECT 1 FROM handshake WHERE seen_at <= ?");
  Prepared forget_handshakes_ = prepare("DELETE FROM handshake WHERE seen_at <= ?");

  Prepared select_installation_ = prepare(
      "SELECT id FROM installation WHERE name = ? AND generation = ? AND install_nonce = ?");
  Prepared add_installation_ = prepare(
      "INSERT INTO installation (name, generation, install_nonce, since) VALUES (?, ?, ?, ?)");
  Prepared raise_alarm_ = prepare(R"sql(
      UPDATE installation SET alarmed_at = ?2
      WHERE id = ?1 AND alarmed_at NOT BETWEEN ?3 AND ?2)sql");

  Prepared select_last_counter_ =
      prepare("SELECT max(counter) FROM message WHERE installation = ?");
  Prepared select_message_ = prepare(R"sql(
      SELECT id, digest, status, attempt, leased_until, reply, received_at
      FROM message
      WHERE installation = ? AND counter = ?)sql");
  Prepared add_message_ = prepare(R"sql(
      INSERT INTO message (installation, counter, digest, status, attempt, leased_until,
                           received_at, sent_at, message_id, topic, claims, body, reply)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql");
  Prepared forget_no_route_alarms_ = prepare("DELETE FROM no_route_alarm WHERE raised_at < ?");
  Prepared raise_no_route_alarm_ = prepare(R"sql(
      INSERT INTO no_route_alarm (topic, raised_at) VALUES (?1, ?2)
      ON CONFLICT (topic) DO UPDATE SET raised_at = ?2
      WHERE raised_at > ?2)sql");

  Prepared select_any_reply_ = prepare("SELECT 1 FROM message WHERE length(reply) > 0");
  Prepared drop_replies_ = prepare(R"sql(
      UPDATE message SET reply = NULL
      WHERE installation = ? AND counter < ? AND length(reply) > 0)sql");
  Prepared lease_message_ = prepare(
      "UPDATE message SET attempt = attempt + 1, leased_until = ?2 WHERE id = ?1 AND status = 2");
  Prepared save_result_ = prepare(R"sql(
      UPDATE message SET status = ?3, leased_until = ?4, reply = ?5
      WHERE id = ?1 AND digest = ?2 AND (status = 2 OR (status = 14 AND ?3 <> 2)))sql");
  Prepared save_not_begun_ = prepare(R"sql(
      UPDATE message SET attempt = attempt - 1, leased_until = ?4
      WHERE id = ?1 AND digest = ?2 AND status = 2 AND attempt = ?3)sql");
  Prepared set_aside_ =
      prepare("UPDATE message SET status = 9, leased_until = NULL WHERE id = ? AND status = 2");
  Prepared move_to_inbox_ = prepare(R"sql(
      UPDATE message SET status = 0, leased_until = NULL, reply = zeroblob(0)
      WHERE id = ? AND status = 2)sql");
  Prepared select_result_ = prepare(R"sql(
      SELECT status, reply, installation FROM message WHERE id = ? AND digest = ?)sql");
  Prepared select_any_overdue_ =
      prepare("SELECT 1 FROM message WHERE status = 2 AND leased_until <= ?");
  Prepared select_overdue_ = prepare(R"sql(
      SELECT message.id, attempt, name, claims, topic, generation, install_nonce, counter, digest,
             body, received_at
      FROM message LEFT JOIN installation ON installation.id = message.installation
      WHERE status = 2 AND leased_until <= ?
      ORDER BY leased_until
      LIMIT ?)sql");

  Prepared add_count_ = prepare(R"sql(
      INSERT INTO tally (day, name, outcome, count) VALUES (?, ?, ?, ?)
      ON CONFLICT (day, name, outcome) DO UPDATE SET count = count + excluded.count)sql");
};

}  // namespace sealpost
