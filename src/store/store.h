// What the gateway asks of a database; each call is one transaction.  An interface, because one
// machine uses SQLite and several share a database.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "delivery/job.h"
#include "delivery/worker_pool.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/record.h"

namespace sealpost {

// --- The arithmetic of the window (PROTOCOL 6) ---

// Whether a counter lies below the window of the 1,024 counters under `next`: then nothing is known
// of it.
[[nodiscard]] constexpr bool is_below_window(std::uint64_t counter, std::uint64_t next) {
  return counter + kWindow < next;
}

// The lowest counter above all used ones, once `counter` is used too.
[[nodiscard]] constexpr std::uint64_t next_after(std::uint64_t counter, std::uint64_t next) {
  return counter < next ? next : counter + 1;
}

// --- Sessions ---

constexpr Milliseconds kPendingLife = 60 * kSecond;
constexpr Milliseconds kHandshakeMemory = 150 * kSecond;
// Of one name and generation: sessions that may be pending, and sessions that may begin within
// kHandshakeMemory.
constexpr int kPendingMax = 4;
constexpr int kBegunMax = 1024;

struct StoredSession {
  Session session;
  Bytes sealed_keys;  // Keyring::open_session_keys
  Time live_until;
};

// A handshake that has passed PROTOCOL 5, steps 1-7.
struct NewSession {
  Session session;
  Bytes sealed_keys;
  crypto::Digest handshake;  // of the request, to be remembered
  Receipt receipt;           // the one the client showed
  Time expires_at;
};

struct SessionStart {
  enum class Verdict { kStarted, kReplayed, kRevoked, kRolledBack, kTooManySessions };
  Verdict verdict;
  Epoch epoch{};
  std::uint64_t next = 0;  // how far this installation has been counted
};

// --- Messages ---

// What becomes of a message if its counter turns out to be new (PROTOCOL 6, step 8).
enum class Decision {
  kInbox,      // accept it and keep its body
  kNowhere,    // accept it; it is delivered nowhere
  kHandler,    // keep it, in progress: a handler will settle it
  kForbidden,  // use its counter, keep no body
  kNoRoute,    // likewise
  kWithdraw,   // likewise, for the message that it names
  kLate,       // leave its counter unused
};

struct Candidate {
  OpenedRecord record;
  Decision decision;
  Reservation place;  // kHandler: admit() reserves it once the counter is known to need a handler
};

// What the operator allows.  0 means no limit.
struct AdmissionLimits {
  Milliseconds lease = kMinute;     // how long the process that runs a handler is presumed alive
  std::int64_t messages_a_day = 0;  // of one client, by UTC
  std::int64_t bytes_kept = 0;      // of one client's bodies
};

struct Admission {
  enum class Verdict {
    kNew,       // its counter is used from now on, and that is on disk
    kUsed,      // the same message came before, and its status is `status`
    kConflict,  // the counter names another message
    kTooOld,    // below the window, or its reply was dropped: the store no longer knows
    // New, but its counter stays unused: sent at another time, or there is no room for it.
    kLate,
    kBusy,  // its client or route has its part of the handlers' places
    kDiskFull,
    kOverQuota,
    kRevoked,
    kNoSession,   // the session has ended since it was looked up
    kRolledBack,  // its receipt proved that this database is an old copy; all sessions are deleted
  };
  Verdict verdict;
  // kNew and kUsed.  kNew and in progress: the caller must give it to a handler, as `attempt`.
  Status status = Status::kAccepted;
  int attempt = 0;
  Time received_at{};  // kNew: when the message arrived first
  Bytes reply;         // the answer's body; kUsed: the first answer's
  Epoch epoch{};
  std::uint64_t next = 0;   // of the installation, after this message
  std::int64_t number = 0;  // kNew and kUsed: the operator's number for the message
  // kConflict, kOverQuota, and kNew with no_route: the first within an hour.
  bool alarm = false;
};

// --- Handlers ---

// What a handler made of a message: accepted, failed, or in progress, which means that the handler
// was interrupted and that any process may claim the message.
struct JobResult {
  std::int64_t number;
  crypto::Digest digest;  // the number alone may name another message in a replaced database
  int attempt;
  Status status;
  Bytes reply;
  // If the handler surely did not act: when it may be tried again.  This attempt is not counted.
  std::optional<Time> retry_at;
};

// Messages that a process has claimed for their handlers.
struct ClaimedJobs {
  std::vector<DeliveryJob> jobs;
  // Rows that no handler can be given, because a part is missing or cannot be read.  They have
  // failed now.
  std::vector<std::int64_t> unusable;
};

// How a message stands after a result was saved: the first result counts.
struct SavedResult {
  bool known;  // false: the database has been replaced, and the session no longer exists
  Status status = Status::kInProgress;
  Bytes reply;
  Epoch epoch{};
  std::uint64_t next = 0;
};

// How much Store::clean_up does.
enum class Cleanup {
  kLight,  // only what has grown large
  kFull,   // also what makes the next start slow, and keys of sessions that ended here
  kFullPresumingEndedSessions,  // also keys of sessions that ended elsewhere, in a process that
                                // died
};

// Counts by day ("2026-11-23"), client ('' if unauthenticated) and outcome.
using RejectionCounts = std::map<std::tuple<std::string, std::string, std::string>, std::int64_t>;

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // A live session, pending or active.  A write transaction may find that it has ended since.
  [[nodiscard]] virtual std::optional<StoredSession> find_session(const SessionId& id,
                                                                  Time now) = 0;

  // Whether a handshake with this digest started a session in the last 150 s.
  [[nodiscard]] virtual bool has_seen(const crypto::Digest& handshake, Time now) = 0;

  // Writes a pending session and remembers its handshake, durably; or says why not.  Deletes the
  // oldest pending session of the same name and generation if there are kPendingMax already.
  // kRolledBack means that a new epoch has begun already, and that the handshake is remembered.
  // Throws Fault if it may not be on disk. Source: PROTOCOL 5, steps 4 and 8-10.
  [[nodiscard]] virtual SessionStart start_session(const NewSession& session,
                                                   const Keyring& keyring, Time now) = 0;

  // Decides a batch of opened records, in order, and makes every kNew one durable, in one
  // transaction.
  //
  // Rejects every counter below the window, because the store no longer knows whether it was used.
  // Returns one verdict per candidate, in the order of the batch; a rejected record does not affect
  // the others, except a proven rollback, which ends every session.  Reserves the place of a
  // candidate for a handler only once its counter is known to be new.
  // Throws Fault if the transaction may not be on disk; the caller must then answer 503 for the
  // whole batch.
  // Source: PROTOCOL 6, steps 5-9.  Only opening creates an OpenedRecord, so all input is
  // authenticated.
  [[nodiscard]] virtual std::vector<Admission> admit(std::span<Candidate* const> batch,
                                                     const Keyring& keyring,
                                                     const AdmissionLimits& limits, Time now) = 0;

  // Saves the results of handlers, durably, in one transaction.  Returns one SavedResult per
  // result, in the order of the batch.  Throws Fault if the transaction may not be on disk.
  [[nodiscard]] virtual std::vector<SavedResult> save_results(std::span<const JobResult> batch,
                                                              Time now) = 0;

  // Messages in progress whose lease has ended, at most `most`, each with a new lease and one more
  // attempt, durably.
  // Leaves those that are `at_work` in this process.
  [[nodiscard]] virtual ClaimedJobs claim_overdue(std::size_t most, Milliseconds lease,
                                                  const DeliveriesAtWork& at_work, Time now) = 0;

  // Adds counts of rejections, in one transaction.
  virtual void add_rejection_counts(const RejectionCounts& counts) = 0;

  // Does work that writing has put off.  It costs some syncs: call it between requests.
  virtual void clean_up(Cleanup extent) = 0;
  // Whether a session has ended since the last full cleanup.
  [[nodiscard]] virtual bool needs_full_cleanup() const = 0;
};

}  // namespace sealpost
