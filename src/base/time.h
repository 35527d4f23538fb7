// Times and durations, in milliseconds (PROTOCOL, first paragraph).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

// Unsigned on purpose: on the wire a time is a u64 of milliseconds since 1970, and every value of
// it must survive.  A subtraction below zero wraps around, so use before() or distance().
using Milliseconds = std::chrono::duration<std::uint64_t, std::milli>;
using Time = std::chrono::time_point<std::chrono::system_clock, Milliseconds>;

// From the local clock to the server's; negative if the server's is behind.
using ClockOffset = std::chrono::duration<std::int64_t, std::milli>;

constexpr Milliseconds kSecond{1000};
constexpr Milliseconds kMinute = 60 * kSecond;
constexpr Milliseconds kHour = 60 * kMinute;
constexpr Milliseconds kDay = 24 * kHour;

// A time as a number of milliseconds since 1970, and back.
[[nodiscard]] constexpr Time time_from_ms(std::uint64_t ms) { return Time(Milliseconds(ms)); }
[[nodiscard]] constexpr std::uint64_t to_ms(Time time) { return time.time_since_epoch().count(); }

// The wall clock.
[[nodiscard]] inline Time system_now() {
  return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

// The absolute difference.
[[nodiscard]] constexpr Milliseconds distance(Time a, Time b) { return a > b ? a - b : b - a; }

// `span` before `time`, but not before 1970.
[[nodiscard]] constexpr Time before(Time time, Milliseconds span) {
  return time - std::min(time.time_since_epoch(), span);
}

// "2026-11-23T11:31:00.123Z".  The first ten characters are the day.  Times after the year 9999 are
// shown as its last millisecond.
[[nodiscard]] std::string iso_time(Time time);

// Reads "90d", "24h", "15m", "30s" or "0".  Returns nothing for any other text, or for more than
// 36,600 days.
[[nodiscard]] std::optional<Milliseconds> parse_duration(std::string_view text);

}  // namespace sealpost
