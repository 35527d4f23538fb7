// A rejection is a value, a fault is an exception.
#pragma once

#include <stdexcept>
#include <string_view>
#include <utility>
#include <variant>

namespace sealpost {

// The peer's doing.  `reason` is a code for the log (a literal); a stranger never sees it.
struct Rejection {
  std::string_view reason;
};

// A T, or the Rejection that explains why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}
  Result(Rejection rejection) : held_(rejection) {}

  explicit operator bool() const { return std::holds_alternative<T>(held_); }
  T& operator*() { return std::get<T>(held_); }
  const T& operator*() const { return std::get<T>(held_); }
  T* operator->() { return &std::get<T>(held_); }
  const T* operator->() const { return &std::get<T>(held_); }
  [[nodiscard]] Rejection rejection() const { return std::get<Rejection>(held_); }

 private:
  std::variant<T, Rejection> held_;
};

// Ours: disk, entropy, a broken invariant, a set-up that cannot work.  Says what happened, where,
// and the mend.  In the gateway it is caught once, in the coordinator, and answered with 503.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sealpost
