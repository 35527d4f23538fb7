// What a courier says of a message, in words for people.
#pragma once

#include "client/http.h"
#include "protocol/status.h"
#include "sealpost/client.h"

namespace sealpost {

// The gateway's word and a sentence that says what it means.
[[nodiscard]] Outcome outcome_of(Outcome::Kind kind, Status status);

// What did not open counts as a failure of the network; its HTTP status is a hint for people.
[[nodiscard]] Outcome unsealed(const HttpAnswer& answer);

// Greater for what is worse: open before unknown before refused before accepted.
[[nodiscard]] int badness(const Outcome& outcome);

}  // namespace sealpost
