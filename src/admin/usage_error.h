// An error in what the operator typed, which no state of the gateway could make right.
#pragma once

#include <stdexcept>

namespace sealpost {

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sealpost
