#include "delivery/routes.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "protocol/ids.h"
#include "store/clients.h"

namespace sealpost {
namespace {

using output::Json;

std::string claims_text(const Route& route) {
  std::string text;
  for (const auto& [key, pattern] : route.claims) {
    text.append(text.empty() ? "" : " ").append(key).append("=").append(pattern);
  }
  return text.empty() ? "-" : text;
}

std::string line_text(const Route& route) {
  return route.line == 0 ? "without a file of routes" : "line " + std::to_string(route.line);
}

// Programs that could not be run, and lines that cannot be read.
void check(const CommandContext& context) {
  const Home home = context.open_home();
  home.require_private();
  const std::string path = home.routes_file();
  RoutesFile file(path);
  const Routes& routes = file.read();
  bool good = routes.complaints.empty();
  for (const Complaint& one : routes.complaints) {
    std::cout << path << ", line " << one.line << ": " << one.reason << '\n';
  }
  for (const Route& route : routes.routes) {
    if (route.to.kind != Target::Kind::kExec || access(route.to.program.c_str(), X_OK) == 0)
      continue;
    good = false;
    std::cout << path << ", line " << route.line << ": " << route.to.program
              << " cannot be run: is it there, and did you `chmod 700` it?\n";
  }
  if (!good) throw Fault("the routes need mending; see the lines above");
  std::cout << routes.routes.size() << " route(s), every one can be used\n";
}

void show(const CommandContext& context) {
  const Home home = context.open_home();
  home.require_private();
  RoutesFile file(home.routes_file());
  const Routes& routes = file.current();
  output::List list(context.json, {"LINE", "TOPIC", "CLAIMS", "TO"});
  for (const Route& route : routes.routes) {
    const std::string claims = claims_text(route);
    list.add(
        {{"line", route.line}, {"topic", route.topic}, {"claims", claims}, {"to", route.to.text}},
        {route.line == 0 ? "-" : std::to_string(route.line), route.topic, claims, route.to.text});
  }
}

// What would become of a client's message, and why, line by line.
// NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of the command line.
void test(const CommandContext& context, const std::string& name, const std::string& topic) {
  if (!is_topic(topic)) throw Fault("a topic is 1-128 of A-Z a-z 0-9 . _ - /");
  const Home home = context.open_home();
  Database database = context.open_database();
  const ClientRow client = Clients(database).find(name);
  const Result<Claims, ClaimsError> claims =
      Claims::of(Json::parse(client.claims).get<Claims::Map>());
  if (client.revoked_at) {
    std::cout << "revoked: no message of " << name << " is taken\n";
  } else if (!claims->valid_at(system_now())) {
    std::cout << "forbidden: the claims of " << name << " do not hold now: " << client.claims
              << '\n';
  } else if (is_reserved_topic(topic)) {
    std::cout << (topic == kPingTopic ? "accepted, and delivered nowhere: it is a ping\n"
                                      : "forbidden: topics under sealpost/ are the protocol's\n");
  } else {
    RoutesFile file(home.routes_file());
    for (const Route& route : file.current().routes) {
      const std::string mismatch = route.mismatch(topic, *claims);
      std::cout << line_text(route) << ": "
                << (mismatch.empty() ? "matches, so: " + route.to.text : mismatch) << '\n';
      if (mismatch.empty()) return;
    }
    std::cout << "no line matches, so: refuse\n";
  }
}

}  // namespace

void add_routes(CLI::App& app, CommandContext& context) {
  CLI::App& routes =
      *app.add_subcommand("routes", "who may send what, and where it goes")->fallthrough();
  routes.require_subcommand(1);
  add_command(routes, context, "check", "whether every line can be used",
              [&context] { check(context); });
  add_list(routes, context, "show", "the routes as they are read", [&context] { show(context); });
  auto name = std::make_shared<std::string>();
  auto topic = std::make_shared<std::string>();
  CLI::App* command =
      add_command(routes, context, "test", "what would become of a message, and why",
                  [&context, name, topic] { test(context, *name, *topic); });
  command->add_option("NAME", *name, "a client")->required();
  command->add_option("TOPIC", *topic, "of its message")->required();
}

}  // namespace sealpost
