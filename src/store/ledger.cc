#include "store/ledger.h"

#include <nlohmann/json.hpp>

#include "protocol/idempotency_key.h"
#include "store/epoch.h"
#include "store/standing_credentials.h"

namespace sealpost {
namespace {

constexpr Milliseconds kAlarmInterval = kHour;

Bytes copy_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

Claims claims_of(const std::string& json) {
  const Result<Claims, ClaimsError> claims =
      Claims::of(nlohmann::json::parse(json).get<Claims::Map>());
  if (!claims) throw Fault("a message's claims in the database cannot be read: " + json);
  return *claims;
}

// Whether a message with a new counter is kept, with its body.
bool keeps_body(Decision decision) {
  return decision == Decision::kInbox || decision == Decision::kHandler;
}

Status status_of(Decision decision) {
  switch (decision) {
    case Decision::kHandler:
      return Status::kInProgress;
    case Decision::kForbidden:
      return Status::kForbidden;
    case Decision::kNoRoute:
      return Status::kNoRoute;
    case Decision::kWithdraw:
      return Status::kWithdrawn;
    default:
      return Status::kAccepted;
  }
}

}  // namespace

Epoch Ledger::epoch() {
  Query query(select_epoch_);
  query.row();
  return query.id<Epoch>(0);
}

std::optional<StoredSession> Ledger::find_session(const SessionId& id, Time now) {
  Query query(select_session_, id, now);
  if (!query.row()) return std::nullopt;
  const Installation installation{query.text(0), static_cast<Generation>(query.number(1)),
                                  query.id<InstallNonce>(3)};
  return StoredSession{
      {id, static_cast<Kid>(query.number(2)), installation}, copy_of(query.blob(4)), query.time(5)};
}

void Ledger::set_limits(const AdmissionLimits& limits) {
  limits_ = limits;
  quota_.set_limits(limits);
  keeps_replies_ = Query(select_any_reply_).row();
}

bool Ledger::has_seen(const crypto::Digest& handshake, Time now) {
  return Query(select_handshake_, handshake, before(now, kHandshakeMemory)).row();
}

void Ledger::delete_expired(Time now) {
  // A DELETE costs more than a look, even where there is nothing to delete.
  if (Query(select_expired_session_, now).row()) {
    ended_sessions_ |= Query(end_expired_sessions_, now).run() > 0;
  }
  const Time forgettable = before(now, kHandshakeMemory);
  if (Query(select_old_handshake_, forgettable).row()) Query(forget_handshakes_, forgettable).run();
}

void Ledger::trim_wal(bool presume_ended_sessions) {
  ended_sessions_ |= presume_ended_sessions;
  if (database_.trim_wal(ended_sessions_)) ended_sessions_ = false;
}

void Ledger::remember(const crypto::Digest& handshake, const Installation& who, Time now) {
  Query(add_handshake_, handshake, who.name, who.generation, now).run();
}

void Ledger::roll_epoch(const ServerId& server_id, Time now) {
  start_epoch(database_.handle(), database_.paths().issuance_log, server_id, "rollback", now);
  ended_sessions_ = true;
}

SessionStart Ledger::start_session(const NewSession& session, const Keyring& keyring, Time now) {
  using Verdict = SessionStart::Verdict;
  const auto& [id, kid, who] = session.session;
  if (has_seen(session.handshake, now)) return {Verdict::kReplayed};
  if (is_revoked(session.session, now)) return {Verdict::kRevoked};
  const Epoch current = epoch();
  const std::uint64_t next = next_of(find_installation(who));
  if (session.receipt.next > next &&
      is_genuine(session.receipt, keyring.receipt_key(kid), current, who)) {
    return {Verdict::kRolledBack, current};
  }
  if (sessions_begun(who, now) >= kBegunMax) return {Verdict::kTooManySessions};
  make_room_for_pending(who, now);

  Query(add_session_, id, who.name, who.generation, static_cast<int>(kid), who.nonce,
        store_keys(session.sealed_keys), now, std::min(now + kPendingLife, session.expires_at),
        session.expires_at)
      .run();
  remember(session.handshake, who, now);
  return {Verdict::kStarted, current, next};
}

// PROTOCOL 6, steps 5 and 6.
Admission Ledger::admit(Candidate& candidate, const Keyring& keyring, const Epoch& epoch,
                        Time now) {
  using Verdict = Admission::Verdict;
  const Session& session = candidate.record.session();
  std::optional<std::int64_t> installation;
  {
    Query live(select_live_, session.id, now);
    if (!live.row()) return {.verdict = Verdict::kNoSession};
    if (!live.is_null(0)) installation = live.number(0);
  }
  if (is_revoked(session, now)) return {.verdict = Verdict::kRevoked};
  const bool pending = !installation;
  if (pending) installation = find_installation(session.installation);

  Admission admission{.verdict = Verdict::kNew, .epoch = epoch, .next = next_of(installation)};
  const Receipt& receipt = candidate.record.proof().receipt;
  if (receipt.next > admission.next &&
      is_genuine(receipt, keyring.receipt_key(session.kid), epoch, session.installation)) {
    return {.verdict = Verdict::kRolledBack, .epoch = epoch};
  }
  if (pending) installation = make_active(session, installation, now);
  return decide_counter(candidate, *installation, std::move(admission), now);
}

void Ledger::add_rejection_counts(const RejectionCounts& counts) {
  for (const auto& [what, count] : counts) {
    const auto& [day, name, outcome] = what;
    Query(add_count_, day, name, outcome, count).run();
  }
}

std::optional<std::int64_t> Ledger::find_installation(const Installation& who) {
  Query query(select_installation_, who.name, who.generation, who.nonce);
  if (!query.row()) return std::nullopt;
  return query.number(0);
}

// The messages are the record of used counters: one seek at the end of their index.
std::uint64_t Ledger::next_of(std::optional<std::int64_t> installation) {
  if (!installation) return 0;
  Query query(select_last_counter_, *installation);
  query.row();
  return query.is_null(0) ? 0 : static_cast<std::uint64_t>(query.number(0)) + 1;
}

// Whether the session's credential does not stand (PROTOCOL 3).
bool Ledger::is_revoked(const Session& session, Time now) {
  Query query(select_client_, session.installation.name);
  if (!query.row()) return true;
  StandingCredentials row{static_cast<Generation>(query.number(0)),
                          static_cast<Kid>(query.number(1)), query.number(2) != 0, std::nullopt};
  if (!query.is_null(3)) {
    row.former = FormerCredential{static_cast<Generation>(query.number(3)),
                                  static_cast<Kid>(query.number(4)), query.time(5)};
  }
  return !stands(row, session.kid, session.installation.generation, now);
}

// Another process's clock reading may be a little ahead of `now`, which is the batch's.  Handshakes
// from further ahead were seen before the clock was set back; they do not count.
std::int64_t Ledger::sessions_begun(const Installation& who, Time now) {
  Query query(count_begun_, who.name, who.generation, before(now, kHandshakeMemory),
              now + kHandshakeMemory);
  query.row();
  return query.number(0);
}

// A session that seems to begin in the future began before the clock was set back: it is the
// oldest.
void Ledger::make_room_for_pending(const Installation& who, Time now) {
  const std::int64_t kept = kPendingMax - 1;
  ended_sessions_ |=
      Query(end_oldest_pending_, who.name, who.generation, now + kPendingLife, kept).run() > 0;
}

// Returns the row that holds them: one that is free, or a new one at the end.  No row ever moves,
// because SQLite leaves copies of what it moves.
std::int64_t Ledger::store_keys(ByteView sealed_keys) {
  std::optional<std::int64_t> free;
  if (Query query(select_free_keys_); query.row()) free = query.number(0);
  if (free) {
    Query(reuse_keys_, *free, sealed_keys).run();
    return *free;
  }
  Query(add_keys_, sealed_keys).run();
  return database_.handle().getLastInsertRowid();
}

// A pending session becomes active.  Every other session of its name ends, except pending ones of a
// later generation.  A generation not below the row's becomes the row's, and the former ends
// (PROTOCOL 5).
std::int64_t Ledger::make_active(const Session& session, std::optional<std::int64_t> installation,
                                 Time now) {
  const Installation& who = session.installation;
  if (!installation) {
    Query(add_installation_, who.name, who.generation, who.nonce, now).run();
    installation = database_.handle().getLastInsertRowid();
  }
  ended_sessions_ |= Query(end_other_sessions_, who.name, session.id, who.generation).run() > 0;
  Query(raise_generation_, who.name, who.generation, static_cast<int>(session.kid)).run();
  Query(activate_session_, session.id, *installation).run();
  return *installation;
}

// PROTOCOL 6, steps 7 to 9.
Admission Ledger::decide_counter(Candidate& candidate, std::int64_t installation,
                                 Admission admission, Time now) {
  using Verdict = Admission::Verdict;
  const Message& message = candidate.record.message();
  if (is_below_window(message.counter, admission.next)) {
    admission.verdict = Verdict::kTooOld;
  } else if (message.counter < admission.next &&
             find_used(candidate, installation, admission, now)) {
    // kUsed, kConflict or kTooOld; or kNew, if another run of its handler is due
  } else if (candidate.decision == Decision::kLate) {
    admission.verdict = Verdict::kLate;
  } else if (has_room_for(candidate, admission, now)) {
    store_new(candidate, installation, admission, now);
  }
  if (keeps_replies_) drop_replies(candidate.record, installation, admission.next);
  return admission;
}

// PROTOCOL 6, step 8, b to d.  Sets the status, or the verdict if there is no room.
bool Ledger::has_room_for(Candidate& candidate, Admission& admission, Time now) {
  using Verdict = Admission::Verdict;
  const std::string& name = candidate.record.session().installation.name;
  const std::size_t body =
      keeps_body(candidate.decision) ? candidate.record.message().body.size() : 0;
  admission.status = status_of(candidate.decision);
  if (quota_.has_room(name, 0, now) && body > quota_.largest_body()) {
    admission.status = Status::kTooLarge;
    admission.reply = Writer().u64(quota_.largest_body()).take();
  } else if (!quota_.has_room(name, body, now)) {
    admission.verdict = Verdict::kOverQuota;
    admission.alarm = quota_.should_alarm(name, now);
  } else if (candidate.decision == Decision::kHandler && !candidate.place.reserve()) {
    admission.verdict = Verdict::kBusy;
  }
  return admission.verdict == Verdict::kNew;
}

// Whether the counter is used, and then for which verdict.
bool Ledger::find_used(Candidate& candidate, std::int64_t installation, Admission& admission,
                       Time now) {
  using Verdict = Admission::Verdict;
  Query used(select_message_, installation, candidate.record.message().counter);
  if (!used.row()) return false;
  if (used.id<crypto::Digest>(1) != candidate.record.subject()) {
    admission.verdict = Verdict::kConflict;
    const Time hour_ago = before(now, kAlarmInterval);
    admission.alarm = Query(raise_alarm_, installation, now, hour_ago).run() > 0;
    return true;
  }
  admission.verdict = Verdict::kUsed;
  admission.number = used.number(0);
  admission.status = static_cast<Status>(used.number(2));
  admission.attempt = static_cast<int>(used.number(3));
  admission.received_at = used.time(6);
  if (admission.status == Status::kInProgress) {
    decide_in_progress(candidate, used.time(4), admission, now);
  } else if (admission.status == Status::kTooLarge ||
             (admission.status == Status::kAccepted && admission.attempt > 0)) {
    if (used.is_null(5)) admission.verdict = Verdict::kTooOld;
    admission.reply = copy_of(used.blob(5));
  }
  return true;
}

// A message whose lease has ended goes to its handler again, if a place is free.  If its route
// leads to the inbox now, it is settled.
void Ledger::decide_in_progress(Candidate& candidate, Time leased_until, Admission& admission,
                                Time now) {
  const bool abandoned = leased_until <= now && !candidate.place.is_at_work(admission.number);
  if (!abandoned) return;
  if (candidate.decision == Decision::kInbox) {
    Query(move_to_inbox_, admission.number).run();
    admission.status = Status::kAccepted;
  }
  if (candidate.decision != Decision::kHandler || !candidate.place.reserve()) return;
  Query(lease_message_, admission.number, now + limits_.lease).run();
  admission.verdict = Admission::Verdict::kNew;
  ++admission.attempt;
}

void Ledger::store_new(const Candidate& candidate, std::int64_t installation, Admission& admission,
                       Time now) {
  const Message& message = candidate.record.message();
  const bool handled = admission.status == Status::kInProgress;
  const bool kept = admission.status != Status::kTooLarge && keeps_body(candidate.decision);
  admission.attempt = handled ? 1 : 0;
  admission.received_at = now;
  Query query(add_message_, installation, message.counter, candidate.record.subject(),
              static_cast<int>(admission.status), admission.attempt, nullptr, now,
              candidate.record.sent_at(), message.id, message.topic,
              candidate.record.proof().claims.json());
  if (handled) bind_value(*add_message_, 6, now + limits_.lease);
  if (kept) {
    (*add_message_)
        .bindNoCopy(12, message.body.empty() ? "" : static_cast<const void*>(message.body.data()),
                    static_cast<int>(message.body.size()));
  }
  if (!admission.reply.empty()) bind_value(*add_message_, 13, admission.reply);
  query.run();
  admission.number = database_.handle().getLastInsertRowid();
  admission.next = next_after(message.counter, admission.next);
  quota_.count(candidate.record.session().installation.name, kept ? message.body.size() : 0, now);
  if (admission.status == Status::kNoRoute) {
    admission.alarm = should_alarm_of_no_route(message.topic, now);
  }
}

// Whether to tell the operator that no route takes this topic: once an hour.
bool Ledger::should_alarm_of_no_route(const std::string& topic, Time now) {
  Query(forget_no_route_alarms_, before(now, kAlarmInterval)).run();
  return Query(raise_no_route_alarm_, topic, now).run() > 0;
}

// Drops replies that the client no longer awaits, or that have left the window (PROTOCOL 6,
// `oldest`).
void Ledger::drop_replies(const OpenedRecord& record, std::int64_t installation,
                          std::uint64_t next) {
  const std::uint64_t window = next - std::min(next, kWindow);
  Query(drop_replies_, installation, std::max(window, std::min(record.oldest(), next))).run();
}

SavedResult Ledger::save_result(const JobResult& result, Time now) {
  const auto& [number, digest, attempt, status, reply, retry_at] = result;
  if (retry_at) {
    Query(save_not_begun_, number, digest, attempt, *retry_at).run();
  } else {
    Query save(save_result_, number, digest, static_cast<int>(status));
    if (status == Status::kInProgress) bind_value(*save_result_, 4, now);
    if (status == Status::kAccepted) bind_value(*save_result_, 5, reply);
    save.run();
  }
  Query found(select_result_, number, digest);
  if (!found.row()) return {.known = false};
  return {true, static_cast<Status>(found.number(0)), copy_of(found.blob(1)), epoch(),
          next_of(found.number(2))};
}

bool Ledger::has_overdue(Time now) { return Query(select_any_overdue_, now).row(); }

DeliveryJob Ledger::job_of(const Query& query) const {
  for (const int needed : {2, 3, 4, 9}) {
    if (query.is_null(needed)) throw Fault("a part of the message is missing");
  }
  const Installation sender{query.text(2), static_cast<Generation>(query.number(5)),
                            query.id<InstallNonce>(6)};
  const auto counter = static_cast<std::uint64_t>(query.number(7));
  const auto digest = query.id<crypto::Digest>(8);
  return {.number = query.number(0),
          .attempt = static_cast<int>(query.number(1)) + 1,
          .name = sender.name,
          .claims = claims_of(query.text(3)),
          .topic = query.text(4),
          .idempotency_key = idempotency_key(server_id_, sender, counter, digest),
          .digest = digest,
          .body = copy_of(query.blob(9)),
          .received_at = query.time(10)};
}

// A row that cannot be used fails alone, and does not stop its neighbours.
ClaimedJobs Ledger::claim_overdue(std::size_t most, Milliseconds lease,
                                  const DeliveriesAtWork& at_work, Time now) {
  ClaimedJobs claimed;
  {
    Query query(select_overdue_, now, static_cast<std::int64_t>(most + at_work.size()));
    while (claimed.jobs.size() < most && query.row()) {
      if (at_work.contains(query.number(0))) continue;
      try {
        claimed.jobs.push_back(job_of(query));
      } catch (const std::exception&) {
        claimed.unusable.push_back(query.number(0));
      }
    }
  }
  for (const DeliveryJob& job : claimed.jobs) Query(lease_message_, job.number, now + lease).run();
  for (const std::int64_t number : claimed.unusable) Query(set_aside_, number).run();
  return claimed;
}

}  // namespace sealpost
