// A message for a handler, and what the handler makes of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/primitives.h"
#include "protocol/claims.h"

namespace sealpost {

constexpr std::size_t kReplyMax = 65'536;  // bytes (PROTOCOL 6, step 9)

// One message for one run of its handler.
struct DeliveryJob {
  std::int64_t number;  // the operator's number of the message
  int attempt;          // 1 for the first run
  std::string name;
  Claims claims;
  std::string topic;
  std::string idempotency_key;  // by which the handler knows the message (PROTOCOL 2)
  crypto::Digest digest;
  Bytes body;
  Time received_at;
};

struct HandlerResult {
  enum class Kind : std::uint8_t {
    kDone,
    kFailed,
    kInterrupted,  // stopped before it ended: its outcome is unknown
    kNotBegun,     // it surely did not act (PROTOCOL 6)
  };
  Kind kind = Kind::kFailed;
  Bytes reply;         // kDone: at most kReplyMax bytes
  std::string why;     // unless kDone: a sentence for the log
  std::string errors;  // what a program wrote to stderr, at most 64 KiB
};

// When a handler must end: after `timeout`, or as soon as `stop` is set.  None starts once
// `stop_starting` is set.
struct Limits {
  Milliseconds timeout;
  const std::atomic<bool>* stop;
  const std::atomic<bool>* stop_starting = nullptr;
};

}  // namespace sealpost
