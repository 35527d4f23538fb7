// The type of every key.
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

// Compares in constant time for a given length.  Views of different sizes are unequal.
[[nodiscard]] bool equal(ByteView a, ByteView b);

// N secret bytes.  The destructor erases them.  A Secret can be moved, but copied only with
// clone(). It compares in constant time and cannot be printed.  Only reveal() gives access to the
// bytes, so a search for reveal finds every place where a secret leaves its type.
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
  // For code that generates or reads a key.
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

// Text that contains a key, such as a credential.  It erases the memory that it frees, and cannot
// be printed.  (A text of up to 15 characters is kept inside the object and is not erased, but the
// text of a key is longer.)
using SecretText = std::basic_string<char, std::char_traits<char>, ErasingAllocator<char>>;
std::ostream& operator<<(std::ostream&, const SecretText&) = delete;

// Bytes that contain keys.  They erase the memory that they free.
using SecretBytes = std::vector<std::uint8_t, ErasingAllocator<std::uint8_t>>;
using SecretWriter = BasicWriter<SecretBytes>;

}  // namespace sealpost::crypto
