// Text forms of bytes: base64url as PROTOCOL 4 wants it, and hexadecimal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sealpost {

inline constexpr std::string_view kBase64urlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// RFC 4648 section 5 without padding: ceil(4n/3) characters.  A secret asks for a Text that erases
// itself.
template <class Text = std::string>
[[nodiscard]] Text base64url(ByteView bytes) {
  Text text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    count += 8;
    while (count >= 6) {
      count -= 6;
      text.push_back(kBase64urlAlphabet[bits >> count & 63]);
    }
  }
  if (count > 0) text.push_back(kBase64urlAlphabet[bits << (6 - count) & 63]);
  return text;
}

// Nothing unless `text` is exactly what base64url() would give for some bytes: no padding, no white
// space, length mod 4 not 1, unused bits zero.
[[nodiscard]] std::optional<Bytes> from_base64url(std::string_view text);

// The same for a value whose size is known; nothing if it has another.
template <std::size_t N>
[[nodiscard]] std::optional<ByteArray<N>> from_base64url(std::string_view text) {
  const std::optional<Bytes> bytes = from_base64url(text);
  if (!bytes || bytes->size() != N) return std::nullopt;
  ByteArray<N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

// Writes the decoded bytes to `out`, which must have decoded_size(text.size()) places; false if
// `text` is not canonical, and then `out` holds garbage.  For secrets: nothing is kept elsewhere.
[[nodiscard]] bool decode_base64url(std::string_view text, std::span<std::uint8_t> out);
[[nodiscard]] constexpr std::size_t decoded_size(std::size_t characters) {
  return characters / 4 * 3 + (characters % 4 == 0 ? 0 : characters % 4 - 1);
}

// Lower-case, two characters a byte.
[[nodiscard]] std::string hex(ByteView bytes);

}  // namespace sealpost
