#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace sealpost {

std::string iso_time(Time time) {
  constexpr Time kYear9999 = 253402300799999;
  const Time shown = time < kYear9999 ? time : kYear9999;
  const auto seconds = static_cast<std::time_t>(shown / kSecond);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03uZ",
                static_cast<unsigned>(shown % kSecond));
  return text.data();
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
  constexpr Milliseconds kLongest = 36600 * kDay;
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || rest == text.data()) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.empty() && count == 0) return 0;
  Milliseconds scale = 0;
  if (unit == "s") scale = kSecond;
  if (unit == "m") scale = kMinute;
  if (unit == "h") scale = kHour;
  if (unit == "d") scale = kDay;
  if (scale == 0 || count > kLongest / scale) return std::nullopt;
  return count * scale;
}

}  // namespace sealpost
