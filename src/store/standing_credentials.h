// Which credentials of a client the server accepts (PROTOCOL 3).
#pragma once

#include <optional>

#include "base/time.h"
#include "protocol/ids.h"

namespace sealpost {

// The credential that a renewed client may still use.
struct FormerCredential {
  Generation generation = 0;
  Kid kid = 0;
  Time until{};
};

// What a client's row says.
struct StandingCredentials {
  Generation generation = 0;
  Kid kid = 0;
  bool revoked = false;
  std::optional<FormerCredential> former;
};

// A generation above the row's was issued as well: the row is from an old copy of the database.
constexpr Generation kGenerationsAhead = 1000;

// Whether the server accepts the credential of this kid and generation.
[[nodiscard]] bool stands(const StandingCredentials& row, Kid kid, Generation generation, Time now);

}  // namespace sealpost
