// The gateway's log: one JSON object a line, never a key or a body.  Lines wait for flush(), so
// that the lines of a batch are one write.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "protocol/reason.h"
#include "protocol/status.h"

namespace sealpost {

// What became of a request.
enum class LogOutcome : std::uint8_t {
  kSession,  // a handshake started a session
  kAccepted,
  kDuplicate,
  kConflict,
  kTooOld,
  kLate,
  kForbidden,
  kRevoked,
  kMalformed,
  kInProgress,
  kFailed,  // by its handler
  kNoRoute,
  kTooLarge,
  kWithdrawn,
  kSuspended,
  kRejected,     // the client was not authenticated
  kUnavailable,  // also: a fault of this server
};
// "session", "too_old", ...
[[nodiscard]] std::string_view text_of(LogOutcome outcome);
[[nodiscard]] LogOutcome outcome_of(Status status);

// One request.  Empty texts, Reason::kNone and a zero number are left out.
struct LogEntry {
  LogOutcome outcome = LogOutcome::kUnavailable;
  Reason reason = Reason::kNone;
  std::string name;         // once authenticated
  std::string topic;        // likewise
  std::int64_t number = 0;  // the operator's number of the message
  std::uint64_t microseconds = 0;
  std::string detail;  // a sentence for the operator, if something is wrong on this server
};

class Log {
 public:
  // Appends to a file, made 0600; to stderr if `path` is empty or cannot be opened.  If the file is
  // moved away, the log opens a new one at `path` within a second.
  explicit Log(const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void request(const LogEntry& entry, Time now);
  // A line that a handler wrote to stderr.  Only its first 2,000 bytes are kept.
  void handler(std::int64_t number, int attempt, const std::string& name, std::string_view line,
               Time now);
  // Something that the operator should look at: {"time":..,"alarm":"rollback","detail":..}.
  void alarm(std::string_view what, const std::string& name, const std::string& detail, Time now);

  // Writes all waiting lines at once.
  void flush();

 private:
  using Clock = std::chrono::steady_clock;

  void put_line(std::string_view line);
  void reopen_if_moved();
  std::string next_id();

  std::string path_;
  int file_;
  Clock::time_point checked_at_;  // when reopen_if_moved() last compared path_ with file_
  std::string waiting_;
  std::string id_prefix_;  // random, so that two processes never give the same id
  std::uint64_t id_count_ = 0;
};

}  // namespace sealpost
