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
#include "sealpost/client.h"

namespace sealpost {
namespace {

struct Order {
  std::string state;
  bool clear_fields = false;
  std::string credential;
  std::string topic = "default";
  std::string data;
  std::string file;
  bool has_data = false;
  bool only_queue = false;
};

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

std::string read_body(const Order& order) {
  if (order.has_data) return order.data;
  if (order.file.empty()) return {std::istreambuf_iterator<char>(std::cin), {}};
  if (std::filesystem::is_directory(order.file)) {
    throw Fault(order.file + " is a folder: name a file");
  }
  std::ifstream in(order.file, std::ios::binary);
  if (!in) throw Fault(order.file + " cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

void report(const std::string& sentence) { std::cerr << "sealpost-client: " << sentence << '\n'; }

// Prints what is to be said of an outcome; the exit status.
int conclude(const Outcome& outcome) {
  if (!(std::cout << outcome.body << std::flush)) {
    report("the reply could not be printed: is the disk full, or the reader gone?");
  }
  if (!outcome.reason.empty()) report(outcome.status + ": " + outcome.reason);
  switch (outcome.kind) {
    case Outcome::Kind::kAccepted:
      return 0;
    case Outcome::Kind::kRefused:
      return 1;
    case Outcome::Kind::kOpen:
      return 3;
    default:
      return 4;
  }
}

int print_status(const Client::Status& status) {
  std::cout << "name: " << status.name << "\nrole: " << status.role
            << "\ngeneration: " << status.generation << "\nurl: " << status.url
            << "\nsession: " << (status.in_session ? "until " + status.session_until : "none")
            << "\nopen messages: " << status.open << std::endl;
  if (!std::cout) throw Fault("the status could not be printed: is the disk full?");
  return 0;
}

int print_probe(const ProbeOrder& order, bool json) {
  bool broken = false;
  probe(order, [&](const CheckResult& finding) {
    broken = broken || finding.kind == CheckResult::Kind::kBroken;
    std::cout << line_of(finding, json) << std::endl;
  });
  return broken ? 1 : 0;
}

CLI::App* add_probe(CLI::App& app, ProbeOrder& probing, bool& json) {
  CLI::App* prober = app.add_subcommand(
      "probe", "try the way to the gateway with a credential that nobody else uses");
  prober->add_option("CREDENTIAL", probing.credential, "the file the operator gave")->required();
  prober->add_option("--hidden", probing.hidden, "a path where the server's home must not show")
      ->type_name("PATH");
  prober->add_flag("--json", json, "one JSON object a line");
  return prober;
}

// What was wrong with the command line: CLI11 leaves a word that is no command unnamed.
int complain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> words = app.remaining(true);
  const bool unknown = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !words.empty();
  report(unknown ? "there is no command or option " + words.front() : error.what());
  std::cerr << "`sealpost-client --help` lists commands and options\n";
  return 2;
}

int run(int argc, char** argv) {
  forbid_core_dumps();
  umask(077);
  Order order;
  order.state = default_state();
  std::function<int(Client&)> work;
  CLI::App app(
      "sealpost-client: messages to a sealpost gateway, each delivered exactly once\n"
      "Exit status: 0 accepted, 1 refused, 2 usage, 3 still open (flush goes on), 4 outcome "
      "unknown");
  app.set_version_flag("--version", std::string("sealpost-client ") + SEALPOST_VERSION);
  app.add_option("--state", order.state, "the folder with keys and open messages")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--clear-fields", order.clear_fields,
               "send name and key_use_hmac in clear beside the seal");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* help, std::function<int(Client&)> does) {
    CLI::App* added = app.add_subcommand(name, help)->fallthrough();
    added->callback([&work, does = std::move(does)] { work = does; });
    return added;
  };

  command("install", "take up a credential, make a session, send a ping",
          [&](Client& client) { return conclude(client.install(order.credential)); })
      ->add_option("CREDENTIAL", order.credential, "the file the operator gave")
      ->required();
  CLI::App* send = command("send", "send a message and print the reply", [&](Client& client) {
    const std::string body = read_body(order);
    if (!order.only_queue) return conclude(client.send(order.topic, body));
    client.queue(order.topic, body);
    return 0;
  });
  send->add_option("--topic", order.topic, "what it is about")
      ->type_name("T")
      ->capture_default_str();
  CLI::Option* data = send->add_option("--data", order.data, "the body")->type_name("TEXT");
  send->add_option("--file", order.file, "a file with the body; without either, stdin")
      ->type_name("FILE")
      ->excludes(data);
  send->add_flag("--queue", order.only_queue, "only store it; flush sends it");
  command("flush", "send all that is still open",
          [&](Client& client) { return conclude(client.flush()); });
  command("ping", "the whole way, there and back",
          [&](Client& client) { return conclude(client.ping()); });
  command("status", "who this is, and what is open",
          [&](Client& client) { return print_status(client.status()); });
  ProbeOrder probing;
  bool json = false;
  const CLI::App* prober = add_probe(app, probing, json);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : complain(app, error);
  }
  if (prober->parsed()) return print_probe(probing, json);
  if (order.state.empty()) throw Fault("where is the state? Say --state DIR or set HOME");
  order.has_data = data->count() > 0;
  Client client({.state = order.state, .clear_fields = order.clear_fields, .report = report});
  return work(client);
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  try {
    return sealpost::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sealpost-client: " << error.what() << '\n';
    return 1;
  }
}
