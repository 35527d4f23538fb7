// Times are unsigned milliseconds since 1970 (PROTOCOL, first paragraph).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

using Time = std::uint64_t;
using Milliseconds = std::uint64_t;

constexpr Milliseconds kSecond = 1000;
constexpr Milliseconds kMinute = 60 * kSecond;
constexpr Milliseconds kHour = 60 * kMinute;
constexpr Milliseconds kDay = 24 * kHour;

// The wall clock.
[[nodiscard]] inline Time system_now() {
  return static_cast<Time>(std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count());
}

// How far apart two times are, whichever is the later.
[[nodiscard]] constexpr Milliseconds distance(Time a, Time b) { return a > b ? a - b : b - a; }

// "2026-11-23T11:31:00.123Z"; the first ten characters are the day.
[[nodiscard]] std::string iso_time(Time time);

// "90d", "24h", "15m", "30s" or "0"; nothing for any other text, or more than 100 years.
[[nodiscard]] std::optional<Milliseconds> parse_duration(std::string_view text);

}  // namespace sealpost
