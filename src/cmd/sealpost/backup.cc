#include "store/backup.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "admin/usage_error.h"
#include "cmd/sealpost/commands.h"

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

void restore(const CommandContext& context, const std::string& file) {
  require_file_name(file);
  const Home home = context.open_home();
  const std::string kept_as = restore(home.store_paths(), home.server_id(), file, system_now());
  if (!kept_as.empty()) {
    std::cout << "The former database could not be used. It was kept as " << kept_as << ".\n";
  }
  std::cout << "The database was restored. Clients start new sessions automatically.\n";
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
