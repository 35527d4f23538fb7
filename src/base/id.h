// Identities and other fixed-size values as types of their own.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sealpost {

// N bytes whose meaning is Tag.  Two Ids of different Tags cannot be assigned, compared or passed
// for each other, even if they have the same size.
template <class Tag, std::size_t N>
struct Id {
  static constexpr std::size_t kSize = N;

  std::array<std::uint8_t, N> bytes{};

  // For code that only reads the bytes: writers, hashes, encoders.
  operator ByteView() const { return bytes; }

  friend auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace sealpost
