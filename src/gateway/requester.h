// Who waits for an answer.
#pragma once

#include <chrono>
#include <memory>

#include "crypto/primitives.h"
#include "gateway/log.h"
#include "gateway/session_cache.h"

namespace sealpost {

// Who waits for an answer, what sealing it needs, and what the log will say of it.
struct Requester {
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  // Known once the record's seal has opened.
  std::shared_ptr<const KnownSession> session;
  crypto::Digest request_hash{};

  LogEntry entry;
  bool stored = false;  // this request wrote the message's row, so the statistics count it there
};

}  // namespace sealpost
