#include <CLI/CLI.hpp>
#include <iostream>

#include "admin/test_routes.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "protocol/ids.h"

namespace sealpost {
namespace {

std::string claims_text(const Route& route) {
  std::string text;
  for (const auto& [key, pattern] : route.claims) {
    text.append(text.empty() ? "" : " ").append(key).append("=").append(pattern);
  }
  return text.empty() ? "-" : text;
}

std::string line_text(int line) {
  return line == 0 ? "No routes file" : "Line " + std::to_string(line);
}

std::string target_text(const Target& target) {
  switch (target.kind) {
    case Target::Kind::kInbox:
      return "delivered to the inbox";
    case Target::Kind::kReject:
      return "rejected (no_route)";
    default:
      return "delivered to the handler `" + target.text + "`";
  }
}

void check(const CommandContext& context) {
  const Home home = context.open_home();
  home.require_private();
  const RoutesCheck checked = check_routes(home);
  for (const Complaint& complaint : checked.complaints) {
    std::cout << home.routes_file() << ", line " << complaint.line << ": " << complaint.reason
              << '\n';
  }
  if (!checked.complaints.empty()) throw Fault("Some routes cannot be used. Fix the lines above.");
  std::cout << output::count_of(checked.usable, "route") << " can be used.\n";
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

void test(const CommandContext& context, const std::string& name, const std::string& topic) {
  const Home home = context.open_home();
  Database database = context.open_database();
  const RouteTest result = test_route(home, database, name, topic, system_now());
  for (const RouteTest::Mismatch& one : result.mismatches) {
    std::cout << line_text(one.line) << ": no match: " << one.reason << ".\n";
  }
  using Decision = RouteTest::Decision;
  switch (result.decision) {
    case Decision::kRevoked:
      std::cout << "Rejected (revoked): " << name << " has no valid credential.\n";
      break;
    case Decision::kClaimsNotValid:
      std::cout << "Rejected (forbidden): the claims of " << name
                << " are not valid now: " << result.claims << '\n';
      break;
    case Decision::kReservedTopic:
      std::cout << "Rejected (no_route): topics that begin with sealpost/ are reserved.\n";
      break;
    case Decision::kPing:
      std::cout << "Accepted: a ping is not delivered to anything.\n";
      break;
    case Decision::kNoRoute:
      std::cout << "No line matches: rejected (no_route).\n";
      break;
    case Decision::kRouted:
      std::cout << line_text(result.line) << ": " << target_text(result.target) << ".\n";
  }
}

}  // namespace

void add_routes(CLI::App& app, CommandContext& context) {
  CLI::App& routes =
      *app.add_subcommand("routes", "who may send what, and where it is delivered")->fallthrough();
  routes.require_subcommand(1);
  add_command(routes, context, "check", "check that every route can be used",
              [&context] { check(context); });
  add_list(routes, context, "show", "show the routes in effect", [&context] { show(context); });
  auto name = std::make_shared<std::string>();
  auto topic = std::make_shared<std::string>();
  CLI::App* command =
      add_command(routes, context, "test", "show where a client's message would be delivered",
                  [&context, name, topic] { test(context, *name, *topic); });
  command->add_option("NAME", *name, "the client's name")->required();
  command->add_option("TOPIC", *topic, "the message's topic")->required();
}

}  // namespace sealpost
