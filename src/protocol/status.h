// The sealed statuses of PROTOCOL 6.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sealpost {

enum class Status : std::uint8_t {
  kAccepted = 0,
  kDuplicate = 1,
  kInProgress = 2,
  kConflict = 3,
  kTooOld = 4,
  kLate = 5,
  kForbidden = 6,
  kRevoked = 7,
  kMalformed = 8,
  kFailed = 9,
  kUnavailable = 10,
  kNoRoute = 11,
  kTooLarge = 12,
  kWithdrawn = 13,
  kSuspended = 14,
};

// Returns nothing for a number that this version does not know.
[[nodiscard]] std::optional<Status> status_of(std::uint8_t number);
// "accepted", "too_old", ...
[[nodiscard]] std::string_view name_of(Status status);
[[nodiscard]] int http_status_of(Status status);

}  // namespace sealpost
