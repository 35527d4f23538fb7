// sealpost: the operator's tool.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "admin/usage_error.h"
#include "base/core_dumps.h"
#include "cmd/program.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "crypto/primitives.h"
#include "protocol/credential.h"

namespace sealpost {

Home CommandContext::named_home() const {
  if (home.empty()) throw Fault("No home is named. Use --home DIR or set SEALPOST_HOME.");
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
  command->callback([&context, work = std::move(work)] { context.work = work; });
  return command;
}

CLI::App* add_list(CLI::App& app, CommandContext& context, const std::string& name,
                   const std::string& help, std::function<void()> work) {
  CLI::App* command = add_command(app, context, name, help, std::move(work));
  command->add_flag("--json", context.json, "print one JSON object per line");
  return command;
}

void require_gateway_url(const std::string& url) {
  if (is_gateway_url(url)) return;
  throw UsageError("--url " + url + " is not http://HOST/... or https://HOST/..., without spaces.");
}

namespace {

constexpr const char* kProgram = "sealpost";

int run(int argc, char** argv) {
  forbid_core_dumps();
  umask(077);
  crypto::start_lean();
  CommandContext context;
  CLI::App app(
      "sealpost: manages the clients, keys and messages of one gateway\n"
      "Exit status: 0 success, 1 rejected or failed, 2 usage error");
  app.set_version_flag("--version", std::string("sealpost ") + SEALPOST_VERSION);
  app.add_option("--home", context.home, "the directory with the keys and the database")
      ->envname("SEALPOST_HOME")
      ->type_name("DIR");
  app.require_subcommand(1);
  for (const auto add : {add_init, add_client, add_session, add_inbox, add_routes, add_key,
                         add_stats, add_backup, add_doctor}) {
    add(app, context);
  }
  try {
    app.parse(argc, argv);
    context.work();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return report_usage_error(kProgram, app, error);
    app.exit(error);
  } catch (const UsageError& error) {
    return report_usage_error(kProgram, error.what());
  }
  output::require_printed();
  return 0;
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  return sealpost::run_program_main(sealpost::kProgram, argc, argv, sealpost::run);
}
