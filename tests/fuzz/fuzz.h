// What the fuzzers share: a way to end one with a reason, and an input taken apart into choices.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sealpost::fuzz {

// libFuzzer takes an abort for a crash and keeps the input.
inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

inline bool same(ByteView a, ByteView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

inline Bytes bytes_from(ByteView view) { return {view.begin(), view.end()}; }

// An input as a row of choices.  Past its end every choice is the first one.
class Choices {
 public:
  explicit Choices(ByteView input) : reader_(input), left_(input.size()) {}

  [[nodiscard]] bool empty() const { return left_ == 0; }
  std::uint8_t byte() { return take(1) ? reader_.u8() : 0; }
  bool yes() { return (byte() & 1) != 0; }
  // One of 0 .. count - 1.
  std::size_t of(std::size_t count) { return byte() % count; }
  std::uint64_t number() { return take(8) ? reader_.u64() : 0; }
  // As many as a first byte says, or what is left.
  Bytes bytes() { return some(byte()); }
  Bytes some(std::size_t size) {
    size = std::min(size, left_);
    left_ -= size;
    return bytes_from(reader_.take(size));
  }
  Bytes rest() { return some(left_); }
  std::string text() { return std::string(text_of(bytes())); }

 private:
  bool take(std::size_t size) {
    if (left_ < size) return false;
    left_ -= size;
    return true;
  }

  Reader reader_;
  std::size_t left_;
};

}  // namespace sealpost::fuzz
