// A rejection is a value, a fault is an exception.
#pragma once

#include <stdexcept>
#include <utility>
#include <variant>

namespace sealpost {

// A T, or the E that says why there is none.  Reading the one that it does not hold throws
// std::bad_variant_access.
template <class T, class E>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}
  Result(E error) : held_(error) {}

  explicit operator bool() const { return std::holds_alternative<T>(held_); }
  T& operator*() { return std::get<T>(held_); }
  const T& operator*() const { return std::get<T>(held_); }
  T* operator->() { return &std::get<T>(held_); }
  const T* operator->() const { return &std::get<T>(held_); }
  [[nodiscard]] E error() const { return std::get<E>(held_); }

 private:
  std::variant<T, E> held_;
};

// An error on our side: disk, entropy, a broken invariant, a configuration that cannot work.  The
// message says what failed, where, and the remedy.  The gateway catches it once and answers 503.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sealpost
