// sealpost-client: sends messages from scripts.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/core_dumps.h"
#include "base/result.h"
#include "client/probe.h"
#include "cmd/program.h"
#include "sealpost/client.h"

namespace sealpost {
namespace {

constexpr const char* kProgram = "sealpost-client";

struct Options {
  std::string state;
  bool clear_fields = false;
  std::string credential;
  std::string topic = "default";
  std::string data;
  std::string file;
  bool has_data = false;
  bool only_queue = false;
  ProbeOptions probe;
  bool json = false;
};

using Command = std::function<int(const Options&)>;

std::string default_state() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const std::string base = variable("XDG_STATE_HOME");
  if (!base.empty()) return base + "/sealpost-client";
  if (variable("HOME").empty()) return "";
  return variable("HOME") + "/.local/state/sealpost-client";
}

std::string read_body(const Options& options) {
  if (options.has_data) return options.data;
  if (options.file.empty()) return {std::istreambuf_iterator<char>(std::cin), {}};
  if (std::filesystem::is_directory(options.file)) {
    throw Fault(options.file + " is a directory. Name a file.");
  }
  std::ifstream in(options.file, std::ios::binary);
  if (!in) throw Fault("Cannot read " + options.file + ".");
  return {std::istreambuf_iterator<char>(in), {}};
}

void report(const std::string& message) { std::cerr << kProgram << ": " << message << '\n'; }

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

// Prints the reply and the reason of an outcome.  Returns the exit status.
int print_outcome(const Outcome& outcome) {
  if (!(std::cout << outcome.body << std::flush)) {
    report(
        "The reply could not be printed. Check that the disk is not full and the reader still "
        "runs.");
  }
  if (!outcome.reason.empty()) report(std::string(name_of(outcome.status)) + ": " + outcome.reason);
  return exit_status_of(outcome.kind);
}

int print_status(const Client::Status& status) {
  std::cout << "name: " << status.name << "\nrole: " << status.role
            << "\ngeneration: " << status.generation << "\nurl: " << status.url
            << "\nsession: " << (status.in_session ? "until " + status.session_until : "none")
            << "\nopen messages: " << status.open << std::endl;
  if (!std::cout) throw Fault("The status could not be printed. Check that the disk is not full.");
  return 0;
}

Client open_client(const Options& options) {
  if (options.state.empty()) {
    throw Fault("No state directory is named. Use --state DIR or set HOME.");
  }
  return Client({.state = options.state, .clear_fields = options.clear_fields, .report = report});
}

int install(const Options& options) {
  return print_outcome(open_client(options).install(options.credential));
}

int send(const Options& options) {
  Client client = open_client(options);
  const std::string body = read_body(options);
  if (!options.only_queue) return print_outcome(client.send(options.topic, body));
  client.queue(options.topic, body);
  return 0;
}

int flush(const Options& options) { return print_outcome(open_client(options).flush()); }
int ping(const Options& options) { return print_outcome(open_client(options).ping()); }
int status(const Options& options) { return print_status(open_client(options).status()); }

int run_probe(const Options& options) {
  bool broken = false;
  probe(options.probe, [&](const CheckResult& result) {
    broken = broken || result.kind == CheckResult::Kind::kBroken;
    std::cout << line_of(result, options.json) << std::endl;
  });
  return broken ? 1 : 0;
}

// Adds the options of the whole program and its commands.  The command that is parsed sets
// `chosen`.
void add_commands(CLI::App& app, Options& options, Command& chosen) {
  app.add_option("--state", options.state, "the directory with keys and open messages")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--clear-fields", options.clear_fields,
               "send name and key_use_hmac as plain text as well");
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* help, Command command) {
    CLI::App* added = app.add_subcommand(name, help)->fallthrough();
    added->callback([&chosen, command = std::move(command)] { chosen = command; });
    return added;
  };

  add("install", "install a credential, start a session and send a ping", install)
      ->add_option("CREDENTIAL", options.credential, "the file that the operator issued")
      ->required();
  CLI::App* sends = add("send", "send a message and print the reply", send);
  sends->add_option("--topic", options.topic, "the message's topic")
      ->type_name("T")
      ->capture_default_str();
  CLI::Option* data = sends->add_option("--data", options.data, "the body")->type_name("TEXT");
  data->each([&options](const std::string&) { options.has_data = true; });
  sends->add_option("--file", options.file, "a file with the body (default: stdin)")
      ->type_name("FILE")
      ->excludes(data);
  sends->add_flag("--queue", options.only_queue, "only store the message; flush sends it");
  add("flush", "send all open messages", flush);
  add("ping", "test the connection to the gateway and back", ping);
  add("status", "show this client and its open messages", status);

  CLI::App* probes =
      add("probe", "check the web server and the gateway, with a credential nobody else uses",
          run_probe)
          ->fallthrough(false);
  probes->add_option("CREDENTIAL", options.probe.credential, "the file that the operator issued")
      ->required();
  probes
      ->add_option("--hidden", options.probe.hidden,
                   "a path below the web server's root that must not be served")
      ->type_name("PATH");
  probes->add_flag("--json", options.json, "print one JSON object per line");
}

int run(int argc, char** argv) {
  forbid_core_dumps();
  umask(077);
  Options options;
  options.state = default_state();
  Command chosen;
  CLI::App app(
      "sealpost-client: sends messages to a sealpost gateway, each delivered exactly once\n"
      "Exit status: 0 accepted, 1 rejected or a local error, 2 usage error, 3 still open (flush\n"
      "sends it again), 4 outcome unknown, 5 accepted but its handler failed");
  app.set_version_flag("--version", std::string("sealpost-client ") + SEALPOST_VERSION);
  add_commands(app, options, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : report_usage_error(kProgram, app, error);
  }
  return chosen(options);
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  return sealpost::run_program_main(sealpost::kProgram, argc, argv, sealpost::run);
}
