#include "client/outcome.h"

namespace sealpost {

using Kind = Outcome::Kind;

namespace {

std::string sentence_of(Status status) {
  switch (status) {
    case Status::kConflict:
      return "the server has another message under this number: two copies of this client's state "
             "are at "
             "work";
    case Status::kTooOld:
      return "too much has happened since: the server no longer knows whether it took effect";
    case Status::kForbidden:
      return "the client's claims do not allow it, or have ended: ask the operator for a new "
             "credential";
    case Status::kRevoked:
      return "the credential is revoked: ask the operator for a new one";
    case Status::kMalformed:
      return "the server could not read it: the two are of different versions";
    case Status::kFailed:
      return "it was accepted, but what it set off failed";
    case Status::kLate:
      return "the clocks differ";
    case Status::kInProgress:
      return "the server is still at work on it";
    case Status::kUnavailable:
      return "the server cannot take it now";
    default:
      return "";
  }
}

std::string hint_of(int http_status, bool large) {
  const std::string smaller =
      "the web server takes only smaller bodies: ask the operator to set "
      "SEALPOST_MAX_BODY to what it takes";
  if (http_status == 413) return ": " + smaller;
  if (http_status == 403) {
    return ": the gateway does not know this credential, or the web server forbids it: ask the "
           "operator";
  }
  if (http_status == 404) return ": is the URL right?";
  if (http_status < 500) return "";
  const std::string log = ": the gateway's log, or the web server's, says why";
  return http_status == 500 && large ? log + "; it may be that " + smaller : log;
}

}  // namespace

Outcome outcome_of(Kind kind, Status status) {
  return {kind, std::string(name_of(status)), sentence_of(status), {}};
}

Outcome unsealed(const HttpAnswer& answer, std::size_t size) {
  if (answer.status == 0) return {Kind::kOpen, "network", answer.trouble, {}};
  return {Kind::kOpen,
          "unsealed",
          "the answer (HTTP " + std::to_string(answer.status) + ") was not sealed" +
              hint_of(answer.status, size > kSurelySmall),
          {}};
}

int badness(const Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::kAccepted:
      return 0;
    case Kind::kRefused:
      return 1;
    case Kind::kUnknown:
      return 2;
    default:
      return 3;
  }
}

}  // namespace sealpost
