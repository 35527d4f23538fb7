#include "store/backup.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <set>

#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "protocol/credential.h"
#include "store/clients.h"

namespace sealpost {
namespace {

using output::Json;

void init(const CommandContext& context, const std::string& url) {
  if (!url.empty() && !is_gateway_url(url)) {
    throw CLI::ValidationError("--url " + url +
                               " is not http://HOST/... or https://HOST/..., without blanks");
  }
  const Home home = context.open_home();
  const bool ready = std::filesystem::exists(home.keys_folder() + "/server_id") &&
                     std::filesystem::exists(home.store_paths().database);
  if (!ready || url.empty()) home.create(system_now());
  if (!url.empty()) home.set_url(url);
  std::cout << home.root() << (ready ? ": its URL is now " + url : " is ready") << '\n';
  if (ready) return;
  std::cout << "Keep a copy of " << home.keys_folder()
            << " in a safe place: without it no client can be understood.\n"
               "Next: sealpost --home "
            << home.root() << " client add NAME --role ROLE\n";
}

// Of clients or of sessions; each once.
template <class Row>
std::string names_of(const std::vector<Row>& rows) {
  std::set<std::string> sorted;
  for (const Row& row : rows) sorted.insert(row.name);
  std::string names;
  for (const std::string& name : sorted) names.append(names.empty() ? "" : ", ").append(name);
  return names;
}

std::vector<ClientRow> clients_under(Clients& book, Kid kid) {
  std::vector<ClientRow> under;
  for (ClientRow& row : book.list()) {
    if (row.kid == kid && !row.revoked_at) under.push_back(std::move(row));
  }
  return under;
}

std::vector<SessionRow> sessions_under(Clients& book, Kid kid) {
  std::vector<SessionRow> under = book.sessions(system_now());
  std::erase_if(under, [&](const SessionRow& row) { return row.kid != kid; });
  return under;
}

// Without the key nobody can be told any more, under a seal, that a credential is revoked.
void require_unused(Clients& book, Kid kid) {
  const std::string key = "key " + std::to_string(kid);
  const std::vector<ClientRow> clients = clients_under(book, kid);
  if (!clients.empty()) {
    throw Fault("these clients still hold a credential under " + key + ": " + names_of(clients) +
                "; `sealpost client renew` each, or say --force to shut them out");
  }
  const std::vector<SessionRow> sessions = sessions_under(book, kid);
  if (!sessions.empty()) {
    throw Fault("these clients still have a session under " + key + ": " + names_of(sessions) +
                "; it ends when each has installed its new credential; or say --force to end it");
  }
}

void retire(const CommandContext& context, Kid kid, bool force) {
  const Home home = context.open_home();
  Database database = context.open_database();
  Clients book(database);
  if (!force) require_unused(book, kid);
  home.remove_key(kid);
  book.end_sessions_under(kid);
  std::cout << "key " << static_cast<int>(kid) << " is retired\n";
}

// Backups have their names from people, who may leave one out in a script.
void require_file(const std::string& file) {
  if (file.empty()) throw CLI::ValidationError("FILE is empty: name one");
}

void rotate(const CommandContext& context) {
  const Home home = context.open_home();
  Database database = context.open_database();
  Kid used = 0;
  for (const ClientRow& row : Clients(database).list()) used = std::max(used, row.kid);
  const int kid = home.add_key(used);
  std::cout << "credentials are issued under key " << kid
            << " from now on; those there are stay valid until they are renewed\n";
}

void back_up(const CommandContext& context, const std::string& file) {
  require_file(file);
  Database database = context.open_database();
  back_up(database, file);
}

void restore(const CommandContext& context, const std::string& file) {
  require_file(file);
  const Home home = context.open_home();
  const std::string aside = restore(home.store_paths(), home.server_id(), file, system_now());
  if (!aside.empty()) {
    std::cout << "what was there could not be used: it is kept as " << aside << '\n';
  }
  std::cout << "restored; clients start new sessions by themselves\n";
}

void list_keys(const CommandContext& context) {
  const Home home = context.open_home();
  Database database = context.open_database();
  Clients book(database);
  output::List list(context.json, {"KID", "SINCE", "CLIENTS", "SESSIONS", "ISSUES"});
  const Kid newest = home.newest_kid();
  for (const Home::KeyFile& key : home.keys()) {
    const std::size_t clients = clients_under(book, key.kid).size();
    const std::size_t sessions = sessions_under(book, key.kid).size();
    const bool issues = key.kid == newest;
    list.add({{"kid", key.kid},
              {"since", iso_time(key.made_at)},
              {"clients", clients},
              {"sessions", sessions},
              {"issues", issues}},
             {std::to_string(key.kid), iso_time(key.made_at), std::to_string(clients),
              std::to_string(sessions), issues ? "yes" : "-"});
  }
}

}  // namespace

void add_init(CLI::App& app, CommandContext& context) {
  auto url = std::make_shared<std::string>();
  add_command(app, context, "init", "make a home: keys, database; or set its URL", [&context, url] {
    init(context, *url);
  })->add_option("--url", *url, "where clients reach the gateway; goes into credentials");
}

void add_key(CLI::App& app, CommandContext& context) {
  CLI::App& key = *app.add_subcommand("key", "master keys")->fallthrough();
  key.require_subcommand(1);
  add_list(key, context, "list", "all master keys", [&context] { list_keys(context); });
  add_command(key, context, "rotate", "make a new master key, for the credentials to come",
              [&context] { rotate(context); });
  auto kid = std::make_shared<unsigned>(0);
  auto force = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(key, context, "retire", "delete a master key",
                  [&context, kid, force] { retire(context, static_cast<Kid>(*kid), *force); });
  command->add_option("KID", *kid)->required()->check(CLI::Range(1, 255));
  command->add_flag("--force", *force,
                    "although clients still hold credentials or have sessions under it");
}

void add_upkeep(CLI::App& app, CommandContext& context) {
  auto file = std::make_shared<std::string>();
  add_command(app, context, "backup", "copy the database, without sessions, to a new file",
              [&context, file] { back_up(context, *file); })
      ->add_option("FILE", *file)
      ->required();
  add_command(app, context, "restore", "put a backup in the database's place",
              [&context, file] { restore(context, *file); })
      ->add_option("FILE", *file)
      ->required();
}

}  // namespace sealpost
