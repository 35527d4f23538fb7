#include "base/encoding.h"

namespace sealpost {
namespace {

constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < kBase64urlAlphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(kBase64urlAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

}  // namespace

bool decode_base64url(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() % 4 == 1 || out.size() != decoded_size(text.size())) return false;
  std::uint32_t seen = 0;  // only kInvalid has its two high bits set
  const auto take = [&](std::size_t at) {
    const std::uint32_t value = kValues[static_cast<std::uint8_t>(text[at])];
    seen |= value;
    return value & 63U;
  };
  std::size_t at = 0;
  auto* to = out.data();
  for (; at + 4 <= text.size(); at += 4) {
    const std::uint32_t bits =
        take(at) << 18 | take(at + 1) << 12 | take(at + 2) << 6 | take(at + 3);
    *to++ = static_cast<std::uint8_t>(bits >> 16);
    *to++ = static_cast<std::uint8_t>(bits >> 8);
    *to++ = static_cast<std::uint8_t>(bits);
  }
  std::uint32_t unused = 0;
  if (at < text.size()) {  // two or three characters are left; the last has unused bits
    const bool three = text.size() - at == 3;
    const std::uint32_t bits = take(at) << 12 | take(at + 1) << 6 | (three ? take(at + 2) : 0);
    *to++ = static_cast<std::uint8_t>(bits >> 10);
    if (three) *to++ = static_cast<std::uint8_t>(bits >> 2);
    unused = bits & (three ? 0x3U : 0x3ffU);
  }
  return (seen & 0xc0U) == 0 && unused == 0;
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

}  // namespace sealpost
