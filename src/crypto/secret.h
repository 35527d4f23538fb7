// The one type a key is kept in.
#pragma once

#include <string.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"

namespace sealpost::crypto {

// Constant-time for its length; views of different sizes are unequal.
[[nodiscard]] bool equal(ByteView a, ByteView b);

// N bytes nobody else should see.  It erases itself, moves but does not copy (clone() says so where
// a second one is really wanted), compares in constant time, and cannot be printed.  reveal() is
// the way to its bytes: look for that word to find every place a secret leaves its type.
template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;
  explicit Secret(std::span<const std::uint8_t, N> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  ~Secret() { erase(); }

  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.erase(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.erase();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  [[nodiscard]] Secret clone() const { return Secret(bytes_); }
  [[nodiscard]] std::span<const std::uint8_t, N> reveal() const { return bytes_; }
  // Where a key is made or read into.
  [[nodiscard]] std::span<std::uint8_t, N> fill() { return bytes_; }

  friend bool operator==(const Secret& a, const Secret& b) { return equal(a.bytes_, b.bytes_); }
  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  void erase() { explicit_bzero(bytes_.data(), N); }

  std::array<std::uint8_t, N> bytes_{};
};

using Key = Secret<32>;

template <class T>
struct ErasingAllocator {
  using value_type = T;
  ErasingAllocator() = default;
  template <class U>
  ErasingAllocator(const ErasingAllocator<U>&) {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    explicit_bzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(ErasingAllocator, ErasingAllocator) { return true; }
};

// Text with a key in it, such as a credential.  It erases what it frees and cannot be printed.  (Up
// to 15 characters lie in the object itself and are not erased; no key's text is that short.)
using SecretText = std::basic_string<char, std::char_traits<char>, ErasingAllocator<char>>;
std::ostream& operator<<(std::ostream&, const SecretText&) = delete;

// Bytes with keys among them, which erase what they free.
using SecretBytes = std::vector<std::uint8_t, ErasingAllocator<std::uint8_t>>;
using SecretWriter = BasicWriter<SecretBytes>;

}  // namespace sealpost::crypto
