#include "base/encoding.h"

namespace sealpost {
namespace {

constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kBase64urlAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kBase64urlAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

std::optional<std::uint8_t> hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<std::uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

}  // namespace

bool decode_base64url(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() % 4 == 1 || out.size() != decoded_size(text.size())) return false;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t at = 0;
  std::uint8_t seen = 0;  // kNone is the only value with its high bits set
  for (const char character : text) {
    const std::uint8_t value = kValues[static_cast<std::uint8_t>(character)];
    seen |= value;
    bits = bits << 6 | (value & 63U);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[at++] = static_cast<std::uint8_t>(bits >> count);
    }
  }
  const std::uint32_t unused = bits & ((1U << count) - 1U);
  return (seen & 0xc0) == 0 && unused == 0;
}

std::optional<Bytes> from_base64url(std::string_view text) {
  Bytes bytes(decoded_size(text.size()));
  if (!decode_base64url(text, bytes)) return std::nullopt;
  return bytes;
}

std::string hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_value(text[i]);
    const auto low = hex_value(text[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
  }
  return bytes;
}

}  // namespace sealpost
