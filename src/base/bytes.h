// Byte strings, and a Reader and a Writer for the wire format.  All numbers are big-endian
// (PROTOCOL, first paragraph).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sealpost {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads from the front of a view that it does not own.
//
// A read past the end returns zeros or an empty view, and the reader remembers it.  So a decoder
// reads all its fields and then calls expect_end() once.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  Time time() { return time_from_ms(u64()); }

  // `size` bytes, or an empty view if fewer are left.
  ByteView take(std::size_t size) {
    if (size > rest_.size()) {
      complete_ = false;
      rest_ = {};
      return {};
    }
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  template <std::size_t N>
  ByteArray<N> array() {
    ByteArray<N> out{};
    const ByteView taken = take(N);
    std::copy(taken.begin(), taken.end(), out.begin());
    return out;
  }

  // Reads an Id (base/id.h), such as reader.id<SessionId>().
  template <class T>
  T id() {
    return {array<T::kSize>()};
  }

  ByteView lp8() { return take(u8()); }
  ByteView lp16() { return take(static_cast<std::size_t>(number(2))); }
  ByteView rest() { return take(rest_.size()); }

  // Whether no read so far went past the end.
  [[nodiscard]] bool complete() const { return complete_; }
  // Whether no read went past the end and nothing is left over.
  [[nodiscard]] bool expect_end() const { return complete_ && rest_.empty(); }

 private:
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }

  ByteView rest_;
  bool complete_ = true;
};

// Appends to bytes that it owns.  The caller must check that a value fits its length prefix: the
// writer does not.
template <class Container>
class BasicWriter {
 public:
  BasicWriter& u8(std::uint8_t value) { return number(value, 1); }
  BasicWriter& u32(std::uint32_t value) { return number(value, 4); }
  BasicWriter& u64(std::uint64_t value) { return number(value, 8); }
  BasicWriter& time(Time value) { return u64(to_ms(value)); }

  BasicWriter& put(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  BasicWriter& put(std::string_view text) { return put(bytes_of(text)); }

  BasicWriter& lp8(ByteView bytes) { return number(bytes.size(), 1).put(bytes); }
  BasicWriter& lp8(std::string_view text) { return lp8(bytes_of(text)); }
  BasicWriter& lp16(ByteView bytes) { return number(bytes.size(), 2).put(bytes); }

  [[nodiscard]] ByteView view() const { return out_; }
  [[nodiscard]] Container take() { return std::move(out_); }

 private:
  BasicWriter& number(std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      out_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return *this;
  }

  Container out_;
};
using Writer = BasicWriter<Bytes>;

}  // namespace sealpost
