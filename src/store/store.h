// What the gateway asks of a database: four questions, each one transaction.  An interface, because
// one machine is SQLite and many are a shared database.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "protocol/keyring.h"
#include "protocol/names.h"
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
constexpr int kPendingMax = 4;  // sessions of one name

struct StoredSession {
  Session session;
  Bytes sealed_keys;  // Keyring::open_session_keys
};

// A handshake that has passed PROTOCOL 5, steps 1-7.
struct NewSession {
  Session session;
  Bytes sealed_keys;
  crypto::Digest handshake;  // of the request, to be remembered
  Receipt receipt;           // the one the client showed
  Time expires_at;
};

struct Beginning {
  enum class Verdict { kBegun, kReplayed, kRevoked, kRolledBack, kTooManyPending };
  Verdict verdict;
  Epoch epoch{};
  std::uint64_t next = 0;  // how far this installation has been counted
};

// --- Messages ---

// What PROTOCOL 6, step 8 says of a message, should its counter turn out to be new.
enum class Ruling {
  kInbox,      // accept it and keep its body
  kNowhere,    // accept it; there is nothing to deliver
  kForbidden,  // use its counter up, keep nothing
  kLate,       // leave its counter unused
};

struct Candidate {
  OpenedRecord record;
  Ruling ruling;
};

struct Admission {
  enum class Verdict {
    kNew,          // its counter is used from now on, and that is on disk
    kUsed,         // the same message was settled before, as `status` says
    kConflict,     // the counter is another message's
    kTooOld,       // below the window: nothing is known of it
    kLate,         // new, but sent at another time; counter not used
    kUnavailable,  // new, but there is no room to store it; counter not used
    kRevoked,
    kNoSession,   // the session has ended since it was looked up
    kRolledBack,  // its receipt proved this database an old copy; all sessions are gone
  };
  Verdict verdict;
  Status status = Status::kAccepted;  // kNew and kUsed: accepted or forbidden
  Epoch epoch{};
  std::uint64_t next = 0;   // of the installation, after this message
  std::int64_t number = 0;  // kNew and kUsed: the operator's number for the message
  bool alarm = false;       // kConflict: the first within an hour
};

// Counts by day ("2026-11-23"), client ('' for strangers) and outcome.
using Tally = std::map<std::tuple<std::string, std::string, std::string>, std::int64_t>;

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
  [[nodiscard]] virtual Beginning begin(const NewSession& session, const Keyring& keyring,
                                        Time now) = 0;

  // Decides a batch of opened records, in order, and makes every kNew one durable, in one
  // transaction.
  //
  // A counter below the window is refused, used or not: the store cannot tell, so it fails closed.
  // The verdicts stand in the order of the batch; one record's refusal never touches its
  // neighbours, but for a proven rollback, which ends every session.  Throws Fault when the
  // transaction may not be on disk; then nothing may be said about any of them. Source: PROTOCOL 6,
  // steps 5-9.  Only opening can make an OpenedRecord, so nothing unauthenticated gets here.
  [[nodiscard]] virtual std::vector<Admission> admit(std::span<const Candidate> batch,
                                                     const Keyring& keyring, Time now) = 0;

  // Adds counts of refusals, in one transaction.
  virtual void add(const Tally& counts) = 0;

  // Leaves the files so that the next process to open them starts fast.  For CGI, after its answer.
  virtual void trim() = 0;
};

}  // namespace sealpost
