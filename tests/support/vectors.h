// Test vectors as data: tests/vectors, read from the folder the tests are run in.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/bytes.h"

namespace sealpost::test {

[[nodiscard]] nlohmann::json vectors(const std::string& file);

// Bytes from their hexadecimal text; fails the test where it is none.
[[nodiscard]] Bytes unhex(const std::string& text);

template <std::size_t N>
[[nodiscard]] ByteArray<N> unhex(const std::string& text) {
  const Bytes bytes = unhex(text);
  if (bytes.size() != N)
    throw std::invalid_argument("not " + std::to_string(N) + " bytes: " + text);
  ByteArray<N> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// sealpost's own vectors, computed with fixed "random" bytes. tests/vectors/sealpost_v1.json must
// be equal.
[[nodiscard]] nlohmann::ordered_json sealpost_vectors();

}  // namespace sealpost::test
