#include "base/time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace sealpost {

std::string iso_time(Time time) {
  constexpr Time kYear9999 = time_from_ms(253402300799999);
  const std::chrono::sys_time<std::chrono::milliseconds> shown(std::min(time, kYear9999));
  const auto midnight = std::chrono::floor<std::chrono::days>(shown);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss clock(shown - midnight);
  std::array<char, 40> text{};
  std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(day.year()),
      static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
  constexpr Milliseconds kLongest = 36600 * kDay;
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || rest == text.data()) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.empty() && count == 0) return Milliseconds{0};
  Milliseconds scale{0};
  if (unit == "s") scale = kSecond;
  if (unit == "m") scale = kMinute;
  if (unit == "h") scale = kHour;
  if (unit == "d") scale = kDay;
  if (scale == Milliseconds{0} || count > kLongest / scale) return std::nullopt;
  return count * scale;
}

}  // namespace sealpost
