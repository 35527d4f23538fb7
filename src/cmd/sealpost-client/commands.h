// The commands of sealpost-client, and what they share.  Each returns the exit status.
#pragma once

#include <functional>
#include <string>

#include "client/probe.h"
#include "sealpost/client.h"

namespace sealpost {

constexpr const char* kProgram = "sealpost-client";

// What a command says last about messages that are open.
constexpr const char* kKept = "kept: flush will send it.";

// What the command line says.
struct Options {
  std::string state;
  bool clear_fields = false;
  unsigned timeout = 15;  // seconds
  std::string credential;
  std::string rejected;  // the name of a rejected message
  bool again = false;
  std::string exec;  // the program that gets the replies
  std::string topic = "default";
  std::string data;
  std::string file;
  bool has_data = false;
  bool only_queue = false;
  ProbeOptions probe;
  bool json = false;
};

using Command = std::function<int(const Options&)>;

// Prints a message for the user to standard error.
void report(const std::string& message);
// Shows what the program waits for, on a line of the terminal that the next message replaces.
void show_progress(const std::string& sentence);
// Prints the reply and the reason of an outcome.
int print_outcome(const Outcome& outcome);
// The same.  If the outcome is open, also prints what the user can do.
int print_outcome(const Outcome& outcome, const std::string& if_open);
[[nodiscard]] Client open_client(const Options& options);

int install(const Options& options);
int send(const Options& options);
int flush(const Options& options);
int ping(const Options& options);
int status(const Options& options);
int replies(const Options& options);
// Gives each kept reply to the program.  Returns 1 if it failed for one.
int give_replies(const Options& options);
int list_rejected(const Options& options);
int send_rejected(const Options& options);
int drop_rejected(const Options& options);
int run_probe(const Options& options);

}  // namespace sealpost
