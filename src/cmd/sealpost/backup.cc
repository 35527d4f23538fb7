#include "store/backup.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "admin/usage_error.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"

namespace sealpost {
namespace {

// A script that leaves a variable unset passes an empty name.
void require_file_name(const std::string& file) {
  if (file.empty()) throw UsageError("FILE is empty. Name a file.");
}

void back_up(const CommandContext& context, const std::string& file) {
  require_file_name(file);
  Database database = context.open_database();
  back_up(database, file);
}

void print_suspended(std::int64_t count) {
  std::cout
      << output::count_of(count, "message")
      << " suspended: the handler may have acted after the backup was made.\n"
         "`sealpost inbox list` shows them. `sealpost inbox retry N` runs the handler again;\n"
         "`sealpost inbox done N` marks message N as handled.\n";
}

void restore(const CommandContext& context, const std::string& file) {
  require_file_name(file);
  const Home home = context.open_home();
  const Restored restored = restore(home.store_paths(), home.server_id(), file, system_now());
  if (!restored.kept_as.empty()) {
    std::cout << "The former database could not be used. It was kept as " << restored.kept_as
              << ".\n";
  }
  std::cout << "The database was restored. Clients start new sessions automatically.\n";
  if (restored.suspended > 0) print_suspended(restored.suspended);
}

}  // namespace

void add_backup(CLI::App& app, CommandContext& context) {
  auto file = std::make_shared<std::string>();
  add_command(app, context, "backup", "copy the database, without sessions, to a new file",
              [&context, file] { back_up(context, *file); })
      ->add_option("FILE", *file, "the file to create")
      ->required();
  add_command(app, context, "restore", "replace the database with a backup",
              [&context, file] { restore(context, *file); })
      ->add_option("FILE", *file, "the backup")
      ->required();
}

}  // namespace sealpost
