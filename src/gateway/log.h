// The gateway's log: one JSON object a line, never a key or a body.  Lines wait for flush(), so
// that those of a batch are one write.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "protocol/reason.h"
#include "protocol/status.h"

namespace sealpost {

// How a request ended.
enum class LogOutcome : std::uint8_t {
  kSession,  // a handshake began a session
  kAccepted,
  kDuplicate,
  kConflict,
  kTooOld,
  kLate,
  kForbidden,
  kRevoked,
  kMalformed,
  kInProgress,
  kFailed,
  kRejected,  // unsealed: the client is not authenticated, or HTTP was not as it must be
  kUnavailable,
};
// "too_old"
[[nodiscard]] std::string_view text_of(LogOutcome outcome);
// The outcome of a request whose sealed answer has this status.
[[nodiscard]] LogOutcome log_outcome_of(Status status);

// What is said of one request.  Empty texts and a zero number are left out.
struct LogEntry {
  LogOutcome outcome = LogOutcome::kUnavailable;  // until there is an answer
  Reason reason = Reason::kNone;
  std::string name;         // once authenticated
  std::string topic;        // likewise
  std::int64_t number = 0;  // of the message, as the operator counts
  std::uint64_t microseconds = 0;
  std::string detail;  // a sentence for the operator, where something is wrong here
};

class Log {
 public:
  // Appends to a file, made 0600; stderr where `path` is empty or cannot be opened.  A file that is
  // moved away is followed by a new one at its path, within a second.
  explicit Log(const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void request(const LogEntry& entry, Time now);
  // A line that a handler wrote to stderr, cut where it is too long.
  void handler(std::int64_t number, int attempt, const std::string& name, std::string_view line,
               Time now);
  // Something the operator should look at: {"time":..,"alarm":"rollback","detail":..}.
  void alarm(std::string_view what, const std::string& name, const std::string& detail, Time now);

  // Writes what waits, whole lines at once.
  void flush();

 private:
  using Clock = std::chrono::steady_clock;

  void put_line(std::string_view line);
  void follow_path();
  std::string next_id();

  std::string path_;
  int file_;
  Clock::time_point looked_at_;  // whether path_ names file_
  std::string waiting_;
  std::string id_prefix_;  // random, so that ids of several processes do not meet
  std::uint64_t id_count_ = 0;
};

}  // namespace sealpost
