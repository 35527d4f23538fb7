#include "store/backup.h"

#include <unistd.h>

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

std::string describe(const DatabaseContent& content) {
  return output::count_of(content.messages, "message") +
         (content.newest ? ", the newest of " + iso_time(*content.newest) : "");
}

void print(const RestoreComparison& found) {
  if (!found.unusable.empty()) {
    std::cout << "The present database cannot be used: " << found.unusable << ".\n";
    return;
  }
  std::cout << "The present database has " << describe(found.present) << ".\n"
            << "The backup has " << describe(found.backup) << ".\n"
            << output::count_of(found.lost_messages, "message")
            << " would be lost: newer than the backup.\n";
  for (const std::string& name : found.lost_clients) {
    std::cout << "The client " << name << " would be lost: the backup does not have it.\n";
  }
}

// Throws Fault unless a person agrees.
void confirm(const RestoreComparison& found) {
  print(found);
  if (isatty(STDIN_FILENO) == 0) {
    throw Fault(
        "Nothing was changed. Without a terminal, `sealpost restore --yes` replaces the database.");
  }
  std::cout << "The present database will be kept aside. Replace it? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "yes") throw Fault("Nothing was changed.");
}

void restore(const CommandContext& context, const std::string& file, bool yes) {
  require_file_name(file);
  const Home home = context.open_home();
  const Restored restored =
      restore(home.store_paths(), home.server_id(), file, system_now(), yes ? print : confirm);
  if (!restored.kept_as.empty()) {
    std::cout << "The former database was kept as " << restored.kept_as
              << ". Delete it when you no longer need it.\n";
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
  auto yes = std::make_shared<bool>(false);
  CLI::App* restoring = add_command(app, context, "restore", "replace the database with a backup",
                                    [&context, file, yes] { restore(context, *file, *yes); });
  restoring->add_option("FILE", *file, "the backup")->required();
  restoring->add_flag("--yes", *yes, "do not ask");
}

}  // namespace sealpost
