// sealpost: the operator's tool.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/core_dumps.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "crypto/primitives.h"

namespace sealpost {

Home CommandContext::named_home() const {
  if (home.empty()) throw Fault("which home? Say --home DIR, or set SEALPOST_HOME");
  return Home(std::filesystem::absolute(home).lexically_normal().string());
}

Home CommandContext::open_home() const {
  Home at = named_home();
  at.require_ours();
  return at;
}

Database CommandContext::open_database() const {
  const Home at = open_home();
  at.require_private();
  return {at.store_paths(), at.server_id()};
}

CLI::App* add_command(CLI::App& app, CommandContext& context, const std::string& name,
                      const std::string& help, std::function<void()> work) {
  CLI::App* command = app.add_subcommand(name, help)->fallthrough();
  command->callback([&context, work = std::move(work)] { context.chosen = work; });
  return command;
}

CLI::App* add_list(CLI::App& app, CommandContext& context, const std::string& name,
                   const std::string& help, std::function<void()> work) {
  CLI::App* command = add_command(app, context, name, help, std::move(work));
  command->add_flag("--json", context.json, "one JSON object a line");
  return command;
}

namespace {

// What was wrong with the command line: CLI11 leaves a word that is no command unnamed.
int complain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> words = app.remaining(true);
  const bool unknown = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !words.empty();
  std::cerr << "sealpost: "
            << (unknown ? "there is no command or option " + words.front() : error.what())
            << "\n`sealpost --help` lists the commands, `sealpost COMMAND --help` its options\n";
  return 2;
}

int run(int argc, char** argv) {
  forbid_core_dumps();
  umask(077);
  crypto::start_lean();
  CommandContext context;
  CLI::App app(
      "sealpost: clients, keys and messages of one gateway\n"
      "Exit status: 0 done, 1 refused or failed, 2 usage");
  app.set_version_flag("--version", std::string("sealpost ") + SEALPOST_VERSION);
  app.add_option("--home", context.home, "the folder with keys and database")
      ->envname("SEALPOST_HOME")
      ->type_name("DIR");
  app.require_subcommand(1);
  for (const auto add : {add_init, add_client, add_session, add_inbox, add_routes, add_key,
                         add_stats, add_upkeep, add_doctor}) {
    add(app, context);
  }
  try {
    app.parse(argc, argv);
    context.chosen();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return complain(app, error);
    app.exit(error);
  }
  output::require_printed();
  return 0;
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  try {
    return sealpost::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sealpost: " << error.what() << '\n';
    return 1;
  }
}
