// What a sender says of a message, in words for people.
#pragma once

#include "client/http.h"
#include "protocol/status.h"
#include "sealpost/client.h"

namespace sealpost {

// The gateway's word and a sentence that says what it means.
[[nodiscard]] Outcome outcome_of(Outcome::Kind kind, Status status);

// A web server in its default setting takes a form of this size; a larger one may be what it minds.
constexpr std::size_t kSurelySmall = 65'536;

// What did not open counts as a failure of the network; its HTTP status, and the size of the form
// that it answers, are hints for people.
[[nodiscard]] Outcome unsealed(const HttpAnswer& answer, std::size_t size);

// Greater for what is worse: open before unknown before refused before accepted.
[[nodiscard]] int badness(const Outcome& outcome);

}  // namespace sealpost
