#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "cmd/sealpost/commands.h"

namespace sealpost {
namespace {

void init(const CommandContext& context, const std::string& url) {
  if (!url.empty()) require_gateway_url(url);
  const Home home = context.open_home();
  const bool ready = std::filesystem::exists(home.keys_folder() + "/server_id") &&
                     std::filesystem::exists(home.store_paths().database);
  if (!ready || url.empty()) home.create(system_now());
  if (!url.empty()) home.set_url(url);
  if (ready) {
    std::cout << "The URL of " << home.root() << " is now " << url << ".\n";
    return;
  }
  std::cout << home.root() << " is ready.\n"
            << "Keep a copy of " << home.keys_folder()
            << " in a safe place. Without these keys the gateway cannot read any message.\n"
               "Next: sealpost --home "
            << home.root() << " client add NAME --role ROLE\n";
}

}  // namespace

void add_init(CLI::App& app, CommandContext& context) {
  auto url = std::make_shared<std::string>();
  add_command(app, context, "init", "create a home with keys and database, or set its URL",
              [&context, url] { init(context, *url); })
      ->add_option("--url", *url, "the gateway's URL, which credentials name");
}

}  // namespace sealpost
