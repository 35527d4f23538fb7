#include <CLI/CLI.hpp>
#include <iostream>

#include "admin/keys.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"

namespace sealpost {
namespace {

void list(const CommandContext& context) {
  const Home home = context.open_home();
  Database database = context.open_database();
  output::List list(context.json, {"KID", "SINCE", "CLIENTS", "SESSIONS", "ISSUES"});
  for (const KeyUse& key : list_keys(home, database, system_now())) {
    list.add({{"kid", key.kid},
              {"since", iso_time(key.made_at)},
              {"clients", key.clients},
              {"sessions", key.sessions},
              {"issues", key.issues}},
             {std::to_string(key.kid), iso_time(key.made_at), std::to_string(key.clients),
              std::to_string(key.sessions), key.issues ? "yes" : "-"});
  }
}

void rotate(const CommandContext& context) {
  const Home home = context.open_home();
  Database database = context.open_database();
  const int kid = rotate_key(home, database);
  std::cout << "New credentials are issued under key " << kid
            << ". Existing credentials stay valid until they are renewed.\n";
}

void retire(const CommandContext& context, Kid kid, bool force) {
  const Home home = context.open_home();
  Database database = context.open_database();
  retire_key(home, database, kid, force ? Retire::kForced : Retire::kIfUnused, system_now());
  std::cout << "Key " << static_cast<int>(kid) << " is retired.\n";
}

}  // namespace

void add_key(CLI::App& app, CommandContext& context) {
  CLI::App& key = *app.add_subcommand("key", "master keys")->fallthrough();
  key.require_subcommand(1);
  add_list(key, context, "list", "list the master keys", [&context] { list(context); });
  add_command(key, context, "rotate", "create a master key for new credentials",
              [&context] { rotate(context); });
  auto kid = std::make_shared<unsigned>(0);
  auto force = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(key, context, "retire", "delete a master key",
                  [&context, kid, force] { retire(context, static_cast<Kid>(*kid), *force); });
  command->add_option("KID", *kid, "the key's number")->required()->check(CLI::Range(1, 255));
  command->add_flag("--force", *force,
                    "even if clients still have credentials or sessions under the key");
}

}  // namespace sealpost
