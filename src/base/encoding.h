// Bytes as text: base64url (PROTOCOL 4) and hexadecimal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sealpost {

inline constexpr std::string_view kBase64urlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// RFC 4648 section 5 without padding: ceil(4n/3) characters.  For a secret, Text must be a type
// that erases itself.
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

// Returns nothing unless base64url() of some bytes is exactly `text`: no padding, no white space,
// length mod 4 not 1, unused bits zero.
[[nodiscard]] std::optional<Bytes> from_base64url(std::string_view text);

// The same for N bytes.  Returns nothing for any other number of bytes.
template <std::size_t N>
[[nodiscard]] std::optional<ByteArray<N>> from_base64url(std::string_view text) {
  const std::optional<Bytes> bytes = from_base64url(text);
  if (!bytes || bytes->size() != N) return std::nullopt;
  ByteArray<N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

// Writes the decoded bytes to `out`, and makes no other copy of them, so it can decode secrets.
// Returns false if `text` is not canonical or out.size() is not decoded_size(text.size()); `out`
// is unspecified then.
[[nodiscard]] bool decode_base64url(std::string_view text, std::span<std::uint8_t> out);
[[nodiscard]] constexpr std::size_t decoded_size(std::size_t characters) {
  return characters / 4 * 3 + (characters % 4 == 0 ? 0 : characters % 4 - 1);
}

// Lower case, two characters for each byte.
[[nodiscard]] std::string hex(ByteView bytes);

}  // namespace sealpost
