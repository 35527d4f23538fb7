// A place where tests can kill the process with SIGKILL.  A release build compiles it to nothing.
#pragma once

#ifdef SEALPOST_FAULT_POINTS

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string_view>

namespace sealpost {

// With SEALPOST_FAULT_POINT=NAME:20 in the environment, kills the process with probability 1/20
// whenever execution reaches the fault point NAME.
inline void fault_point(std::string_view name) {
  const char* chosen = std::getenv("SEALPOST_FAULT_POINT");
  const std::string_view text = chosen == nullptr ? "" : chosen;
  if (!text.starts_with(name) || text.substr(name.size(), 1) != ":") return;
  static std::mt19937 random{std::random_device{}()};
  const int once_in = std::atoi(text.substr(name.size() + 1).data());
  if (std::uniform_int_distribution<int>(1, once_in)(random) == 1) kill(getpid(), SIGKILL);
}

}  // namespace sealpost

#define FAULT_POINT(name) sealpost::fault_point(name)
#else
#define FAULT_POINT(name) static_cast<void>(0)
#endif
