// The operator's commands.  Each add_... function adds its command to the command line; main() runs
// the work of the command that was chosen.  A Fault ends the program with exit status 1, a
// UsageError with 2.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "store/database.h"
#include "store/home.h"

namespace sealpost {

// What every command shares.
struct CommandContext {
  std::string home;  // --home
  bool json = false;
  std::function<void()> work;  // of the command that was parsed

  // The home that --home names, also if another user owns it.  Throws Fault if --home is not given.
  [[nodiscard]] Home named_home() const;
  // The same, but throws Fault if another user owns it: that user's gateway could not read what
  // this user writes there.
  [[nodiscard]] Home open_home() const;
  // Throws Fault unless the home is complete and closed to other users.
  [[nodiscard]] Database open_database() const;
};

void add_init(CLI::App& app, CommandContext& context);
void add_client(CLI::App& app, CommandContext& context);
void add_session(CLI::App& app, CommandContext& context);
void add_inbox(CLI::App& app, CommandContext& context);
void add_routes(CLI::App& app, CommandContext& context);
void add_key(CLI::App& app, CommandContext& context);
void add_stats(CLI::App& app, CommandContext& context);
void add_backup(CLI::App& app, CommandContext& context);
void add_doctor(CLI::App& app, CommandContext& context);

// Adds a command with its work.
CLI::App* add_command(CLI::App& app, CommandContext& context, const std::string& name,
                      const std::string& help, std::function<void()> work);
// The same, with the option --json.
CLI::App* add_list(CLI::App& app, CommandContext& context, const std::string& name,
                   const std::string& help, std::function<void()> work);

// Throws UsageError unless `url` can be a gateway's.
void require_gateway_url(const std::string& url);

}  // namespace sealpost
