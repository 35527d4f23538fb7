#include "protocol/reason.h"

#include <array>

namespace sealpost {
namespace {

// In the order of Reason.
constexpr std::array kTexts = std::to_array<std::string_view>({
    "",
    "method",
    "type",
    "size",
    "length",
    "form",
    "first_byte",
    "handshake_length",
    "kid",
    "name",
    "handshake_seal",
    "replayed_handshake",
    "handshake_point",
    "handshake_end",
    "too_many_sessions",
    "record_length",
    "counter",
    "session",
    "record_seal",
    "topic",
    "withdraw_length",
    "route",
    "larger_than_quota",
    "used",
    "window",
    "short",
    "claims_block",
    "two_key_use_hmacs",
    "no_key_use_hmac",
    "key_use_hmac",
    "claims_time",
    "clock",
    "generation",
    "rollback",
    "handlers",
    "storage",
    "quota",
    "fault",
    "interrupted",
    "claimed",
});
static_assert(kTexts.size() == static_cast<std::size_t>(Reason::kClaimed) + 1);

}  // namespace

std::string_view text_of(Reason reason) { return kTexts.at(static_cast<std::size_t>(reason)); }

}  // namespace sealpost
