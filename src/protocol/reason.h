// Why a request was rejected, for the log and the statistics.  An unauthenticated client never sees
// it.
#pragma once

#include <cstdint>
#include <string_view>

namespace sealpost {

enum class Reason : std::uint8_t {
  kNone,  // not rejected

  // HTTP and the form (PROTOCOL 4)
  kMethod,
  kType,
  kSize,
  kLength,
  kForm,
  kFirstByte,

  // Handshakes (PROTOCOL 5)
  kHandshakeLength,
  kKid,
  kName,
  kHandshakeSeal,
  kReplayedHandshake,
  kHandshakePoint,
  kHandshakeEnd,
  kTooManySessions,

  // Records (PROTOCOL 6)
  kRecordLength,
  kCounter,
  kSession,
  kRecordSeal,
  kTopic,
  kWithdrawLength,
  kRoute,
  kLargerThanQuota,
  kUsed,
  kBelowWindow,

  // Both
  kShort,
  kClaimsBlock,
  kTwoKeyUseHmacs,
  kNoKeyUseHmac,
  kKeyUseHmac,
  kClaimsTime,
  kClock,
  kGeneration,
  kRollback,

  // What the gateway lacks now
  kNoHandler,
  kNoStorage,
  kOverQuota,
  kFault,

  // Deliveries
  kInterrupted,
  kClaimed,
};

// "handshake_seal"; empty for kNone.
[[nodiscard]] std::string_view text_of(Reason reason);

}  // namespace sealpost
