// sealpost: the operator's tool.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/core_dumps.h"
#include "cmd/operator/commands.h"
#include "cmd/operator/words.h"
#include "crypto/primitives.h"

namespace sealpost {

Home Office::named_home() const {
  if (home.empty()) throw Fault("which home? Say --home DIR, or set SEALPOST_HOME");
  return Home(std::filesystem::absolute(home).lexically_normal().string());
}

Home Office::open_home() const {
  Home at = named_home();
  at.require_ours();
  return at;
}

Database Office::open_database() const {
  const Home at = open_home();
  at.require_private();
  return {at.store_paths(), at.server_id()};
}

CLI::App* add_command(CLI::App& app, Office& office, const std::string& name,
                      const std::string& help, std::function<void()> work) {
  CLI::App* command = app.add_subcommand(name, help)->fallthrough();
  command->callback([&office, work = std::move(work)] { office.chosen = work; });
  return command;
}

CLI::App* add_list(CLI::App& app, Office& office, const std::string& name, const std::string& help,
                   std::function<void()> work) {
  CLI::App* command = add_command(app, office, name, help, std::move(work));
  command->add_flag("--json", office.json, "one JSON object a line");
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
  Office office;
  CLI::App app(
      "sealpost: clients, keys and messages of one gateway\n"
      "Exit status: 0 done, 1 refused or failed, 2 usage");
  app.set_version_flag("--version", std::string("sealpost ") + SEALPOST_VERSION);
  app.add_option("--home", office.home, "the folder with keys and database")
      ->envname("SEALPOST_HOME")
      ->type_name("DIR");
  app.require_subcommand(1);
  for (const auto add : {add_init, add_client, add_session, add_inbox, add_routes, add_key,
                         add_stats, add_upkeep, add_doctor}) {
    add(app, office);
  }
  try {
    app.parse(argc, argv);
    office.chosen();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return complain(app, error);
    app.exit(error);
  }
  words::require_printed();
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
