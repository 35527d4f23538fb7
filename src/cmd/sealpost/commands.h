// The operator's commands: each adds itself to the command line and, when it was chosen, does its
// work.  A Fault ends the tool with status 1; a CLI::ValidationError, for words that could never be
// right, with 2.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "store/database.h"
#include "store/home.h"

namespace sealpost {

// What every command shares.
struct CommandContext {
  std::string home;
  bool json = false;
  std::function<void()> chosen;  // the work of the command that was parsed

  // The home that was named, whoever's it is.  Throws Fault if none was.
  [[nodiscard]] Home named_home() const;
  // The same.  Throws Fault if it is another user's: what one user writes there, the other's
  // gateway could not read.
  [[nodiscard]] Home open_home() const;
  // Throws Fault unless the home is one and closed to others.
  [[nodiscard]] Database open_database() const;
};

void add_init(CLI::App& app, CommandContext& context);
void add_client(CLI::App& app, CommandContext& context);
void add_session(CLI::App& app, CommandContext& context);
void add_inbox(CLI::App& app, CommandContext& context);
void add_routes(CLI::App& app, CommandContext& context);
void add_key(CLI::App& app, CommandContext& context);
void add_stats(CLI::App& app, CommandContext& context);
void add_upkeep(CLI::App& app, CommandContext& context);
void add_doctor(CLI::App& app, CommandContext& context);

// A command below `app`, with its work.
CLI::App* add_command(CLI::App& app, CommandContext& context, const std::string& name,
                      const std::string& help, std::function<void()> work);
// The same, with --json.
CLI::App* add_list(CLI::App& app, CommandContext& context, const std::string& name,
                   const std::string& help, std::function<void()> work);

}  // namespace sealpost
