#include "protocol/claims.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace sealpost {
namespace {

constexpr std::size_t kClaimsMax = 16;
constexpr std::size_t kBlockMax = 1024;
constexpr std::size_t kKeyMax = 32;
constexpr std::size_t kValueMax = 255;
constexpr std::size_t kDigitsMax = 11;

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kKeyMax && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// The length of the first UTF-8 sequence, or 0 if it is invalid (Unicode 15, table 3-7).
std::size_t utf8_length(ByteView text) {
  const std::uint8_t lead = text[0];
  if (lead < 0x80) return 1;
  std::size_t size = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    size = 2;
  } else if ((lead & 0xf0) == 0xe0) {
    size = 3;
    if (lead == 0xe0) low = 0xa0;   // no overlong forms
    if (lead == 0xed) high = 0x9f;  // no surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;  // nothing above U+10FFFF
  }
  if (size == 0 || text.size() < size || text[1] < low || text[1] > high) return 0;
  const ByteView more = text.subspan(2, size - 2);
  const bool continued = std::all_of(more.begin(), more.end(),
                                     [](std::uint8_t byte) { return (byte & 0xc0) == 0x80; });
  return continued ? size : 0;
}

bool is_value(std::string_view value) {
  if (value.size() > kValueMax) return false;
  ByteView rest = bytes_of(value);
  while (!rest.empty()) {
    if (rest[0] < 0x20 || rest[0] == 0x7f) return false;
    const std::size_t length = utf8_length(rest);
    if (length == 0) return false;
    rest = rest.subspan(length);
  }
  return true;
}

std::optional<std::uint64_t> seconds_of(std::string_view text) {
  if (text.empty() || text.size() > kDigitsMax || (text.size() > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  std::uint64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || rest != end) return std::nullopt;
  return seconds;
}

std::optional<std::uint64_t> time_claim(const Claims::Map& values, std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? std::nullopt : seconds_of(found->second);
}

}  // namespace

std::string_view sentence_of(ClaimsError error) {
  switch (error) {
    case ClaimsError::kKey:
      return "a claim's key is not 1-32 of a-z 0-9 _";
    case ClaimsError::kValue:
      return "a claim's value is not 0-255 bytes of UTF-8 without control characters";
    case ClaimsError::kTime:
      return "not_before and not_after are Unix seconds, at most 11 digits, no leading zero";
    case ClaimsError::kNoRole:
      return "the role is missing or empty";
    case ClaimsError::kTooMany:
      return "there are more than 16 claims";
    case ClaimsError::kTooLarge:
      return "the claims take more than 1,024 bytes";
    case ClaimsError::kOrder:
      return "the encoded claims are not in ascending order of their keys";
    case ClaimsError::kWrongLength:
      return "the encoded claims have a wrong length";
  }
  return "";
}

Result<Claims, ClaimsError> Claims::of(Map values) {
  std::size_t size = 1;
  for (const auto& [key, value] : values) {
    if (!is_key(key)) return ClaimsError::kKey;
    if (!is_value(value)) return ClaimsError::kValue;
    if ((key == "not_before" || key == "not_after") && !seconds_of(value)) {
      return ClaimsError::kTime;
    }
    size += 2 + key.size() + value.size();
  }
  const auto role = values.find("role");
  if (role == values.end() || role->second.empty()) return ClaimsError::kNoRole;
  if (values.size() > kClaimsMax) return ClaimsError::kTooMany;
  if (size > kBlockMax) return ClaimsError::kTooLarge;
  return Claims(std::move(values));
}

Result<Claims, ClaimsError> Claims::decode(ByteView block) {
  if (block.size() > kBlockMax) return ClaimsError::kTooLarge;
  Reader reader(block);
  Map values;
  const std::size_t count = reader.u8();
  for (std::size_t i = 0; i < count && reader.complete(); ++i) {
    const std::string_view key = text_of(reader.lp8());
    const std::string_view value = text_of(reader.lp8());
    if (!values.empty() && key <= values.rbegin()->first) return ClaimsError::kOrder;
    values.emplace_hint(values.end(), key, value);
  }
  if (!reader.expect_end()) return ClaimsError::kWrongLength;
  return of(std::move(values));
}

Bytes Claims::encode() const {
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(values_.size()));
  for (const auto& [key, value] : values_) writer.lp8(key).lp8(value);
  return writer.take();
}

std::string Claims::json() const { return nlohmann::json(values_).dump(); }

bool Claims::valid_at(Time now) const {
  const std::uint64_t seconds = now.time_since_epoch() / kSecond;
  const auto not_before = time_claim(values_, "not_before");
  const auto not_after = time_claim(values_, "not_after");
  return (!not_before || *not_before <= seconds) && (!not_after || seconds < *not_after);
}

std::optional<Time> Claims::end() const {
  const auto not_after = time_claim(values_, "not_after");
  if (!not_after) return std::nullopt;
  return Time(*not_after * kSecond);
}

}  // namespace sealpost
