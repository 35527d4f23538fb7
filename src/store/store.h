// What the gateway asks of a database, each question one transaction.  An interface, because
// one machine is SQLite and many are a shared database.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "delivery/job.h"
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

// --- SessionCache ---

constexpr Milliseconds kPendingLife = 60 * kSecond;
constexpr Milliseconds kHandshakeMemory = 150 * kSecond;
constexpr int kPendingMax = 4;  // sessions of one name

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
  enum class Verdict { kStarted, kReplayed, kRevoked, kRolledBack, kTooManyPending };
  Verdict verdict;
  Epoch epoch{};
  std::uint64_t next = 0;  // how far this installation has been counted
};

// --- Messages ---

// What PROTOCOL 6, step 8 says of a message, should its counter turn out to be new.
enum class Decision {
  kInbox,      // accept it and keep its body
  kNowhere,    // accept it; there is nothing to deliver
  kHandler,    // keep it, in progress: a handler will settle it
  kForbidden,  // use its counter up, keep nothing
  kLate,       // leave its counter unused
  kBusy,       // likewise: no handler is free to take it
};

struct Candidate {
  OpenedRecord record;
  Decision decision;
};

// What the operator allows.  0 is no bound.
struct AdmissionLimits {
  Milliseconds lease = kMinute;     // how long whoever hands a message over is believed alive
  std::int64_t messages_a_day = 0;  // of one client, by UTC
  std::int64_t bytes_kept = 0;      // of one client's bodies
};

struct Admission {
  enum class Verdict {
    kNew,       // its counter is used from now on, and that is on disk
    kUsed,      // the same message came before, and is as `status` says
    kConflict,  // the counter is another message's
    kTooOld,    // below the window, or its reply was dropped: nothing is known of it any more
    // New, with the counter not used: sent at another time, or there is no room for it.
    kLate,
    kBusy,
    kDiskFull,
    kOverQuota,
    kRevoked,
    kNoSession,   // the session has ended since it was looked up
    kRolledBack,  // its receipt proved this database an old copy; all sessions are gone
  };
  Verdict verdict;
  // kNew and kUsed.  kNew and in progress: the caller must hand it to a handler, as `attempt`.
  Status status = Status::kAccepted;
  int attempt = 0;
  Bytes reply;  // kUsed: the first answer's body
  Epoch epoch{};
  std::uint64_t next = 0;   // of the installation, after this message
  std::int64_t number = 0;  // kNew and kUsed: the operator's number for the message
  bool alarm = false;       // kConflict, kOverQuota: the first within an hour
};

// --- Handlers ---

// What came of an job: accepted, failed, or in progress, which is to say that it was cut short
// and anybody may take it up again.
struct JobResult {
  std::int64_t number;
  crypto::Digest digest;  // the number alone may be another message's in a replaced database
  Status status;
  Bytes reply;
};

// How a message stands after a result: the first one counts.
struct SavedResult {
  bool known;  // false: the database has been replaced, and its session is gone
  Status status = Status::kInProgress;
  Bytes reply;
  Epoch epoch{};
  std::uint64_t next = 0;
};

// Counts by day ("2026-11-23"), client ('' for strangers) and outcome.
using RejectionCounts = std::map<std::tuple<std::string, std::string, std::string>, std::int64_t>;

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // A live session, pending or active.  Says nothing about what a write transaction will find.
  [[nodiscard]] virtual std::optional<StoredSession> find_session(const SessionId& id,
                                                                  Time now) = 0;

  // Whether a handshake with this digest began a session in the last 150 s.
  [[nodiscard]] virtual bool has_seen(const crypto::Digest& handshake, Time now) = 0;

  // Writes a pending session and remembers its handshake, durably; or says why not.
  // Source: PROTOCOL 5, steps 4 and 8-10.  kRolledBack means that the epoch has been replaced
  // already.
  [[nodiscard]] virtual SessionStart start_session(const NewSession& session,
                                                   const Keyring& keyring, Time now) = 0;

  // Decides a batch of opened records, in order, and makes every kNew one durable, in one
  // transaction.
  //
  // A counter below the window is refused, used or not: the store cannot tell, so it fails closed.
  // The verdicts stand in the order of the batch; one record's rejection never touches its
  // neighbours, but for a proven rollback, which ends every session.  Throws Fault when the
  // transaction may not be on disk; then nothing may be said about any of them. Source: PROTOCOL 6,
  // steps 5-9.  Only opening can make an OpenedRecord, so nothing unauthenticated gets here.
  [[nodiscard]] virtual std::vector<Admission> admit(std::span<const Candidate> batch,
                                                     const Keyring& keyring,
                                                     const AdmissionLimits& limits, Time now) = 0;

  // Keeps what came of jobs, durably, in one transaction; in their order.
  [[nodiscard]] virtual std::vector<SavedResult> settle(std::span<const JobResult> batch,
                                                        Time now) = 0;

  // Messages in progress whose lease has ended, at most `most`, each with a new lease and one
  // attempt more, durably.
  [[nodiscard]] virtual std::vector<DeliveryJob> claim_overdue(std::size_t most, Milliseconds lease,
                                                               Time now) = 0;

  // Adds counts of refusals, in one transaction.
  virtual void add_rejection_counts(const RejectionCounts& counts) = 0;

  // Does what writing has put off, if there is enough of it.  Costs some syncs: for between
  // requests.
  virtual void checkpoint() = 0;

  // Leaves the files so that the next process to open them starts fast, and erases what is left in
  // them of sessions that have ended here, or, if so presumed, in a process that died before it
  // could.  Costs some syncs: for CGI, after its answer.
  virtual void trim(bool presume_ended_sessions) = 0;
  // Whether a session has ended since the last trim().
  [[nodiscard]] virtual bool has_ended_sessions() const = 0;
};

}  // namespace sealpost
