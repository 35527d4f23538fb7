// What every command prints, and its exit status.
#include <unistd.h>

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

// Whether the outcome is open, and another try may settle it.
bool waits_for_server(const Outcome& outcome) {
  switch (outcome.status) {
    case Outcome::Status::kDamaged:
    case Outcome::Status::kRevoked:
    case Outcome::Status::kForbidden:
      return false;
    default:
      return outcome.kind == Outcome::Kind::kOpen;
  }
}

// Whether the terminal's line shows progress.
bool progress_shown = false;

void clear_progress() {
  if (progress_shown) std::cerr << "\r\033[K" << std::flush;
  progress_shown = false;
}

}  // namespace

void report(const std::string& message) {
  clear_progress();
  std::cerr << kProgram << ": " << message << '\n';
}

void show_progress(const std::string& sentence) {
  if (isatty(STDERR_FILENO) != 1) return;
  clear_progress();
  progress_shown = true;
  std::cerr << sentence << std::flush;
}

int print_outcome(const Outcome& outcome) {
  clear_progress();
  if (!(std::cout << outcome.body << std::flush)) {
    report(
        "The reply could not be printed. Check that the disk is not full and the reader still "
        "runs.");
  }
  if (!outcome.reason.empty()) report(std::string(name_of(outcome.status)) + ": " + outcome.reason);
  return exit_status_of(outcome.kind);
}

int print_outcome(const Outcome& outcome, const std::string& if_open) {
  const int status = print_outcome(outcome);
  if (waits_for_server(outcome)) report(if_open);
  return status;
}

Client open_client(const Options& options) {
  if (options.state.empty()) {
    throw Fault("No state directory is named. Use --state DIR or set HOME.");
  }
  return Client({.state = options.state,
                 .clear_fields = options.clear_fields,
                 .report = report,
                 .timeout = std::chrono::seconds(options.timeout),
                 .progress = show_progress});
}

}  // namespace sealpost
