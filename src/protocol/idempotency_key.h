// The key by which a handler knows a message (PROTOCOL 2).
#pragma once

#include <cstdint>
#include <string>

#include "crypto/primitives.h"
#include "protocol/ids.h"

namespace sealpost {

// 32 hex digits.  The key depends on the message alone: it is the same at every attempt, after
// every restore and epoch, and under any kid.  The digest keeps apart two messages to which copies
// of a client's state gave one counter.
[[nodiscard]] std::string idempotency_key(const ServerId& server_id, const Installation& sender,
                                          std::uint64_t counter, const crypto::Digest& digest);

}  // namespace sealpost
