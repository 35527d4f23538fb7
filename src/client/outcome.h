// Makes outcomes from the server's answers, with a sentence for people.
#pragma once

#include "client/http.h"
#include "protocol/status.h"
#include "sealpost/client.h"

namespace sealpost {

// The outcome of a sealed answer.
[[nodiscard]] Outcome outcome_of(Outcome::Kind kind, Status status);

// Every web server accepts a form of this size in its default configuration.
constexpr std::size_t kAlwaysAcceptedSize = 65'536;

// kOpen, with the client's own status.
[[nodiscard]] Outcome open_outcome(Outcome::Status status, std::string reason);

// The outcome of an answer that could not be opened, or of none: kOpen.  The HTTP status and the
// size of the form are only used for the sentence.
[[nodiscard]] Outcome unsealed(const HttpAnswer& answer, std::size_t size);

// The outcome of a message if the client itself has the outcome `of_client`.  If the client is
// rejected, a message that may have been sent before stays open: the server may have acted on it,
// and only a sealed answer to the message itself can tell.
[[nodiscard]] Outcome of_message(Outcome of_client, bool may_have_been_sent);

// Orders outcomes: accepted < rejected < failed < unknown < open.
[[nodiscard]] int severity(const Outcome& outcome);

}  // namespace sealpost
