// What every command prints, and its exit status.
#include <iostream>

#include "base/result.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {
namespace {

int exit_status_of(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::kAccepted:
      return 0;
    case Outcome::Kind::kRejected:
      return 1;
    case Outcome::Kind::kOpen:
      return 3;
    case Outcome::Kind::kUnknown:
      return 4;
    case Outcome::Kind::kFailed:
      return 5;
  }
  return 4;
}

}  // namespace

void report(const std::string& message) { std::cerr << kProgram << ": " << message << '\n'; }

int print_outcome(const Outcome& outcome) {
  if (!(std::cout << outcome.body << std::flush)) {
    report(
        "The reply could not be printed. Check that the disk is not full and the reader still "
        "runs.");
  }
  if (!outcome.reason.empty()) report(std::string(name_of(outcome.status)) + ": " + outcome.reason);
  return exit_status_of(outcome.kind);
}

Client open_client(const Options& options) {
  if (options.state.empty()) {
    throw Fault("No state directory is named. Use --state DIR or set HOME.");
  }
  return Client({.state = options.state, .clear_fields = options.clear_fields, .report = report});
}

}  // namespace sealpost
