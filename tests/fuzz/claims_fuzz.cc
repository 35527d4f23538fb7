// The claims block (PROTOCOL 2): decode and encode are each other's inverse, and a second decoder,
// which works on code points and knows no table of lengths, takes the same blocks.
#include <set>

#include "fuzz/fuzz.h"
#include "protocol/claims.h"

namespace sealpost {
namespace {

// Code points, with the shortest form demanded afterwards; nothing where it is no UTF-8.
std::optional<std::vector<std::uint32_t>> naive_code_points(ByteView text) {
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < text.size();) {
    const std::uint32_t lead = text[i];
    const int more = lead < 0x80       ? 0
                     : lead >> 5 == 6  ? 1
                     : lead >> 4 == 14 ? 2
                     : lead >> 3 == 30 ? 3
                                       : -1;
    if (more < 0) return std::nullopt;
    std::uint32_t point = more == 0 ? lead : lead & (0x3fU >> more);
    for (int k = 1; k <= more; ++k) {
      const std::size_t at = i + static_cast<std::size_t>(k);
      if (at >= text.size() || text[at] >> 6 != 2) return std::nullopt;
      point = point << 6 | (text[at] & 0x3fU);
    }
    const std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      return std::nullopt;
    }
    points.push_back(point);
    i += static_cast<std::size_t>(more) + 1;
  }
  return points;
}

bool naive_is_value(ByteView value) {
  const auto points = naive_code_points(value);
  if (!points || value.size() > 255) return false;
  return std::none_of(points->begin(), points->end(),
                      [](std::uint32_t point) { return point < 0x20 || point == 0x7f; });
}

bool naive_is_seconds(std::string_view text) {
  if (text.empty() || text.size() > 11) return false;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return text == "0" || text[0] != '0';
}

std::optional<Claims::Map> naive_decode(ByteView block) {
  if (block.empty() || block.size() > 1024 || block[0] > 16) return std::nullopt;
  Claims::Map claims;
  std::string last;
  std::size_t at = 1;
  for (int i = 0; i < block[0]; ++i) {
    std::string pair[2];
    for (std::string& text : pair) {
      if (at >= block.size() || at + 1 + block[at] > block.size()) return std::nullopt;
      text = text_of(block.subspan(at + 1, block[at]));
      at += 1 + text.size();
    }
    const auto& [key, value] = pair;
    if (key.empty() || key.size() > 32 || key <= last) return std::nullopt;
    if (key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos) {
      return std::nullopt;
    }
    if (!naive_is_value(bytes_of(value))) return std::nullopt;
    if ((key == "not_before" || key == "not_after") && !naive_is_seconds(value)) {
      return std::nullopt;
    }
    if (key == "role" && value.empty()) return std::nullopt;
    claims[key] = last = key;
    claims[key] = value;
  }
  if (at != block.size() || !claims.contains("role")) return std::nullopt;
  return claims;
}

bool naive_valid_at(const Claims::Map& claims, Time now) {
  const auto from = claims.find("not_before");
  const auto until = claims.find("not_after");
  return (from == claims.end() || std::stoull(from->second) <= to_ms(now) / 1000) &&
         (until == claims.end() || to_ms(now) / 1000 < std::stoull(until->second));
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const ByteView block(data, size);
  const auto claims = Claims::decode(block);
  const auto naive = naive_decode(block);
  fuzz::require(static_cast<bool>(claims) == naive.has_value(), "both take the same blocks");
  if (!claims) return 0;
  fuzz::require(claims->values() == *naive, "both read the same");
  fuzz::require(fuzz::same(claims->encode(), block), "one set of claims has one encoding");
  fuzz::require(static_cast<bool>(Claims::of(claims->values())), "its claims can be issued");
  fuzz::require(!claims->json().empty(), "they can be written as JSON");
  for (const Time now : {Time{}, time_from_ms(1'700'000'000'000), Time::max(),
                         claims->end().value_or(time_from_ms(1)) - Milliseconds{1},
                         claims->end().value_or(Time{})}) {
    fuzz::require(claims->valid_at(now) == naive_valid_at(*naive, now), "valid at the same times");
  }
  return 0;
}
