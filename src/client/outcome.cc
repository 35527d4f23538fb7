#include "client/outcome.h"

namespace sealpost {

using Kind = Outcome::Kind;

namespace {

Outcome::Status public_status_of(Status status) {
  switch (status) {
    case Status::kAccepted:
      return Outcome::Status::kAccepted;
    case Status::kDuplicate:
      return Outcome::Status::kDuplicate;
    case Status::kInProgress:
      return Outcome::Status::kInProgress;
    case Status::kConflict:
      return Outcome::Status::kConflict;
    case Status::kTooOld:
      return Outcome::Status::kTooOld;
    case Status::kLate:
      return Outcome::Status::kLate;
    case Status::kForbidden:
      return Outcome::Status::kForbidden;
    case Status::kRevoked:
      return Outcome::Status::kRevoked;
    case Status::kMalformed:
      return Outcome::Status::kMalformed;
    case Status::kFailed:
      return Outcome::Status::kFailed;
    case Status::kNoRoute:
      return Outcome::Status::kNoRoute;
    case Status::kTooLarge:
      return Outcome::Status::kTooLarge;
    case Status::kWithdrawn:
      return Outcome::Status::kWithdrawn;
    case Status::kSuspended:
      return Outcome::Status::kSuspended;
    case Status::kUnavailable:
      break;
  }
  return Outcome::Status::kUnavailable;
}

std::string sentence_of(Status status) {
  switch (status) {
    case Status::kConflict:
      return "The server has another message with this counter. Two copies of this client's state "
             "are in use.";
    case Status::kTooOld:
      return "The message is too old: the server no longer knows whether it received it.";
    case Status::kForbidden:
      return "The client's claims do not allow this, or have expired. Ask the operator for a new "
             "credential.";
    case Status::kRevoked:
      return "The credential is revoked. Ask the operator for a new one.";
    case Status::kMalformed:
      return "The server cannot read the message. Client and server are of different versions.";
    case Status::kFailed:
      return "The server received the message, but its handler failed.";
    case Status::kLate:
      return "The clocks of client and server differ too much.";
    case Status::kInProgress:
      return "The server is still processing the message.";
    case Status::kUnavailable:
      return "The server cannot accept messages now.";
    case Status::kNoRoute:
      return "No route on the server takes this topic from this client. Ask the operator.";
    case Status::kTooLarge:
      return "The message is larger than the server ever accepts from this client.";
    case Status::kWithdrawn:
      return "The message is withdrawn: it has not acted and never will.";
    case Status::kSuspended:
      return "The server kept the message through a restore. Its operator decides whether its "
             "handler runs again.";
    default:
      return "";
  }
}

std::string hint_of(int http_status, bool large) {
  const std::string smaller =
      "the web server accepts only smaller bodies; ask the operator to set SEALPOST_MAX_BODY to "
      "the web server's limit";
  if (http_status == 413) return ": " + smaller + ".";
  if (http_status == 403) {
    return ": the gateway does not know this credential, or the web server forbids the request. "
           "Ask the operator.";
  }
  if (http_status == 404) return ": there is no gateway at this URL. Check the URL.";
  if (http_status < 500) return ".";
  const std::string log = ": the log of the gateway or of the web server says why";
  return http_status == 500 && large ? log + ". Perhaps " + smaller + "." : log + ".";
}

}  // namespace

std::string_view name_of(Outcome::Status status) {
  switch (status) {
    case Outcome::Status::kAccepted:
      return "accepted";
    case Outcome::Status::kDuplicate:
      return "duplicate";
    case Outcome::Status::kInProgress:
      return "in_progress";
    case Outcome::Status::kConflict:
      return "conflict";
    case Outcome::Status::kTooOld:
      return "too_old";
    case Outcome::Status::kLate:
      return "late";
    case Outcome::Status::kForbidden:
      return "forbidden";
    case Outcome::Status::kRevoked:
      return "revoked";
    case Outcome::Status::kMalformed:
      return "malformed";
    case Outcome::Status::kFailed:
      return "failed";
    case Outcome::Status::kUnavailable:
      return "unavailable";
    case Outcome::Status::kNoRoute:
      return "no_route";
    case Outcome::Status::kTooLarge:
      return "too_large";
    case Outcome::Status::kWithdrawn:
      return "withdrawn";
    case Outcome::Status::kSuspended:
      return "suspended";
    case Outcome::Status::kNetwork:
      return "network";
    case Outcome::Status::kUnsealed:
      return "unsealed";
    case Outcome::Status::kStored:
      return "stored";
    case Outcome::Status::kDamaged:
      return "damaged";
  }
  return "";
}

Outcome outcome_of(Kind kind, Status status) {
  return {kind, public_status_of(status), sentence_of(status), {}};
}

Outcome open_outcome(Outcome::Status status, std::string reason) {
  return {Kind::kOpen, status, std::move(reason), {}};
}

Outcome unsealed(const HttpAnswer& answer, std::size_t size) {
  if (answer.status == 0) return open_outcome(Outcome::Status::kNetwork, answer.error);
  return open_outcome(Outcome::Status::kUnsealed,
                      "The answer (HTTP " + std::to_string(answer.status) + ") was not sealed" +
                          hint_of(answer.status, size > kAlwaysAcceptedSize));
}

Outcome of_message(Outcome of_client, bool may_have_been_sent) {
  if (!may_have_been_sent || of_client.kind != Kind::kRejected) return of_client;
  of_client.kind = Kind::kOpen;
  of_client.reason += " It is unknown whether the server acted on the message before.";
  return of_client;
}

int severity(const Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::kAccepted:
      return 0;
    case Kind::kRejected:
      return 1;
    case Kind::kFailed:
      return 2;
    case Kind::kUnknown:
      return 3;
    case Kind::kOpen:
      return 4;
  }
  return 4;
}

}  // namespace sealpost
