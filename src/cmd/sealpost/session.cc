#include <CLI/CLI.hpp>
#include <iostream>

#include "admin/usage_error.h"
#include "base/encoding.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "store/clients.h"

namespace sealpost {
namespace {

void list(const CommandContext& context) {
  Database database = context.open_database();
  output::List list(context.json, {"SESSION", "NAME", "STATE", "KID", "SINCE", "UNTIL"});
  for (const SessionRow& row : Clients(database).sessions(system_now())) {
    const std::string state = row.active ? "active" : "pending";
    list.add({{"session_id", base64url(row.id)},
              {"name", row.name},
              {"state", state},
              {"kid", row.kid},
              {"since", iso_time(row.begun_at)},
              {"until", iso_time(row.live_until)}},
             {base64url(row.id), row.name, state, std::to_string(row.kid), iso_time(row.begun_at),
              iso_time(row.live_until)});
  }
}

// Ends the sessions of one client, or of all clients.
void end(const CommandContext& context, const std::string& name, bool all) {
  if (name.empty() == !all) throw UsageError("Name one client or use --all.");
  Database database = context.open_database();
  Clients clients(database);
  if (!all) (void)clients.find(name);  // reports a misspelt name, which would end no session
  const int ended = all ? clients.end_sessions({}) : clients.end_sessions(name);
  std::cout << output::count_of(ended, "session") << " ended.\n";
}

}  // namespace

void add_session(CLI::App& app, CommandContext& context) {
  CLI::App& session = *app.add_subcommand("session", "clients' sessions")->fallthrough();
  session.require_subcommand(1);
  add_list(session, context, "list", "list the sessions that have not expired",
           [&context] { list(context); });
  auto name = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  CLI::App* command = add_command(session, context, "end",
                                  "end a client's sessions; the client starts a new one itself",
                                  [&context, name, all] { end(context, *name, *all); });
  command->add_option("NAME", *name, "the client's name");
  command->add_flag("--all", *all, "end the sessions of all clients");
}

}  // namespace sealpost
