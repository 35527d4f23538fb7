// sealpost-client: sends messages from scripts.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/core_dumps.h"
#include "cmd/program.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {
namespace {

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

// Adds the options of the whole program and its commands.  The command that is parsed sets
// `chosen`.
void add_commands(CLI::App& app, Options& options, Command& chosen) {
  app.add_option("--state", options.state, "the directory with keys and open messages")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--clear-fields", options.clear_fields,
               "send name and key_use_hmac as plain text as well");
  app.add_option("--timeout", options.timeout,
                 "how long the command may take; a body that still moves is not cut")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
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
  add("flush", "send all open messages and keep their replies", flush)
      ->add_option("--exec", options.exec, "run this program for each kept reply")
      ->type_name("PROGRAM");
  add("replies", "print the kept replies and delete them", replies);
  add("ping", "test the connection to the gateway and back", ping);
  add("status", "show this client and its open messages", status);

  CLI::App* rejected =
      app.add_subcommand("rejected", "list, send or drop the messages that the server rejected");
  rejected->fallthrough()->require_subcommand(1);
  const auto add_rejected = [&](const char* name, const char* help, Command command) {
    CLI::App* added = rejected->add_subcommand(name, help)->fallthrough();
    added->callback([&chosen, command = std::move(command)] { chosen = command; });
    return added;
  };
  const auto add_name = [&](CLI::App* to) {
    to->add_option("N", options.rejected, "the message's name, or its last number")->required();
  };
  add_rejected("list", "print one line for each message", list_rejected);
  CLI::App* sends_again = add_rejected("send", "send a message as a new one", send_rejected);
  add_name(sends_again);
  sends_again->add_flag("--again", options.again,
                        "send it even if the server may have acted on it already");
  add_name(add_rejected("drop", "delete a message", drop_rejected));

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
