// What the gateway logs about a request.
#pragma once

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

// One request, or a sum of rejections.  Empty texts, Reason::kNone and a zero number are left out.
struct LogEntry {
  LogOutcome outcome = LogOutcome::kUnavailable;
  Reason reason = Reason::kNone;
  std::string name;         // once authenticated
  std::string topic;        // likewise
  std::int64_t number = 0;  // the operator's number of the message
  std::uint64_t microseconds = 0;
  std::uint64_t count = 1;  // of requests like this one, which this line sums
  std::string detail;       // a sentence for the operator, if something is wrong on this server
};

}  // namespace sealpost
