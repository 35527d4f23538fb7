// The names and numbers of PROTOCOL 2, and the checks of their syntax.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/id.h"

namespace sealpost {

// Specification constants.
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kTopicMax = 128;
constexpr std::uint64_t kCounterEnd = std::uint64_t{1} << 63;  // every counter is below it
constexpr std::uint64_t kWindow = 1024;
constexpr std::string_view kPingTopic = "sealpost/ping";
constexpr std::string_view kWithdrawTopic = "sealpost/withdraw";

using ServerId = Id<struct ServerIdTag, 16>;
using Epoch = Id<struct EpochTag, 16>;
using InstallNonce = Id<struct InstallNonceTag, 16>;
using SessionId = Id<struct SessionIdTag, 16>;
using MessageId = Id<struct MessageIdTag, 16>;
// The MAC that shows which claims a client was issued (PROTOCOL 3).
using KeyUseHmac = Id<struct KeyUseHmacTag, 32>;
using Generation = std::uint32_t;
using Kid = std::uint8_t;

// One installation of a client.  Its messages are counted across all its sessions.
struct Installation {
  std::string name;
  Generation generation = 0;
  InstallNonce nonce{};
};

// 1-64 bytes of A-Z a-z 0-9 . _ -
[[nodiscard]] bool is_name_field(std::string_view text);
// A name field whose first byte is a letter or a digit.
[[nodiscard]] bool is_name(std::string_view text);
// 1-128 bytes of A-Z a-z 0-9 . _ - /
[[nodiscard]] bool is_topic(std::string_view text);
// Whether a topic begins with "sealpost/", which is reserved for the protocol.
[[nodiscard]] bool is_reserved_topic(std::string_view topic);

}  // namespace sealpost
