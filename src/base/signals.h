// Work that a signal must not cut in two.
#pragma once

#include <csignal>

namespace sealpost {

// While it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT wait.  The destructor delivers them.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace sealpost
