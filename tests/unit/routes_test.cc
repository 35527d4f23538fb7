#define BOOST_TEST_MODULE routes
#include "delivery/routes.h"

#include <utime.h>

#include <boost/test/unit_test.hpp>

#include "base/result.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

Claims claims(Claims::Map values) { return *Claims::of(std::move(values)); }

constexpr std::string_view kExample = R"(# topic        claims                     to
telemetry/*    role=sensor                inbox
orders         role=shop|operator site=*  exec /home/u/bin/take-order
app/*          role=*                     http http://127.0.0.1:8080/in

  app2/*	role=*	http unix:/home/u/app.sock:/in
*              -                          reject
)";

BOOST_AUTO_TEST_CASE(pattern_matches_whole_topic) {
  struct Row {
    const char* pattern;
    const char* text;
    bool matches;
  };
  const Row rows[] = {
      {"a", "a", true},
      {"a", "ab", false},
      {"ab", "a", false},
      {"*", "", true},
      {"*", "a/b", true},
      {"a*", "a", true},
      {"a/*", "a/b/c", true},
      {"a/*", "a", false},
      {"*/c", "a/b/c", true},
      {"a*c", "abcbc", true},
      {"a*c", "abcb", false},
      {"a*b*c", "axbxxc", true},
      {"a*b*c", "axcxxb", false},
      {"x|y", "x", true},
      {"x|y", "y", true},
      {"x|y", "xy", false},
      {"x|y*", "yes", true},
      {"x|", "", true},
      {"", "", true},
      {"", "a", false},
      {"**", "ab", true},
      {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Row& row : rows)
    BOOST_TEST(matches(row.pattern, row.text) == row.matches, row.pattern << " " << row.text);
}

BOOST_AUTO_TEST_CASE(first_matching_route_decides) {
  const Routes routes = Routes::parse(kExample);
  BOOST_TEST(routes.complaints.empty());
  BOOST_REQUIRE(routes.routes.size() == 5U);
  struct Row {
    const char* topic;
    Claims::Map claims;
    int line;
  };
  const Row rows[] = {
      {"telemetry/room", {{"role", "sensor"}}, 2},
      {"telemetry/room", {{"role", "shop"}}, 7},
      {"telemetry", {{"role", "sensor"}}, 7},
      {"orders", {{"role", "shop"}, {"site", "x"}}, 3},
      {"orders", {{"role", "operator"}, {"site", ""}}, 3},
      {"orders", {{"role", "shop"}}, 7},
      {"orders", {{"role", "shopper"}, {"site", "x"}}, 7},
      {"app/x", {{"role", "any"}}, 4},
      {"app2/x", {{"role", "any"}}, 6},
  };
  for (const Row& row : rows) {
    const Route* route = routes.match(row.topic, claims(row.claims));
    BOOST_REQUIRE(route != nullptr);
    BOOST_TEST(route->line == row.line, row.topic);
  }
  const Target& exec = routes.routes[1].to;
  BOOST_TEST(exec.program == "/home/u/bin/take-order");
  BOOST_TEST(exec.has_handler());
  const Target& http = routes.routes[2].to;
  BOOST_TEST(http.address == "127.0.0.1");
  BOOST_TEST(http.port == 8080);
  BOOST_TEST(http.request_target == "/in");
  const Target& local = routes.routes[3].to;
  BOOST_TEST(local.address == "/home/u/app.sock");
  BOOST_TEST(local.port == 0);
  BOOST_TEST(local.request_target == "/in");
  BOOST_TEST((routes.routes[4].to.kind == Target::Kind::kReject));
}

BOOST_AUTO_TEST_CASE(unmatched_topic_has_no_route) {
  BOOST_TEST(Routes::parse("a - inbox\n").match("b", claims({{"role", "r"}})) == nullptr);
  BOOST_TEST(Routes::parse("# nothing\n").match("b", claims({{"role", "r"}})) == nullptr);
}

BOOST_AUTO_TEST_CASE(reads_whole_target) {
  const auto target = [](const std::string& to) {
    const Routes routes = Routes::parse("* - " + to);
    BOOST_REQUIRE(routes.routes.size() == 1U);
    return routes.routes[0].to;
  };
  BOOST_TEST(target("exec /a b/c d").program == "/a b/c d", "a path may have blanks");
  BOOST_TEST(target("exec /a\r").program == "/a", "written on another system");
  BOOST_TEST(target("http http://10.0.0.1").port == 80);
  BOOST_TEST(target("http http://10.0.0.1").request_target == "/");
  BOOST_TEST(target("http http://[::1]:81/x?y=1").address == "::1");
  BOOST_TEST(target("http http://[::1]:81/x?y=1").port == 81);
  BOOST_TEST(target("http http://[::1]:81/x?y=1").request_target == "/x?y=1");
  BOOST_TEST(target("http unix:/s").address == "/s");
  BOOST_TEST(target("http unix:/s").request_target == "/");
}

// execv() and connect() would cut the path there and use another program.
BOOST_AUTO_TEST_CASE(rejects_line_with_zero_byte) {
  for (const char* before :
       {"a - exec /bin/take", "a - http unix:/s", "a - http http://127.0.0.1", "a role=x"}) {
    const Routes routes = Routes::parse(std::string(before) + '\0' + " inbox\n* - inbox\n");
    BOOST_REQUIRE_MESSAGE(routes.complaints.size() == 1U, before);
    BOOST_TEST(routes.complaints[0].reason.find("zero byte") != std::string::npos, before);
    BOOST_TEST(routes.routes.size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(names_unreadable_line_and_reason) {
  const std::pair<const char*, const char*> rows[] = {
      {"a", "claims"},
      {"a inbox", "claims"},
      {"a -", "target is missing"},
      {"a role=x", "target is missing"},
      {"a - role=x inbox", "neither"},
      {"a - fly", "neither"},
      {"a - inbox now", "follow inbox"},
      {"a - reject me", "follow reject"},
      {"a b - inbox", "claims"},
      {"sp$ce - inbox", "not a topic"},
      {"a Role=x inbox", "not a claim"},
      {"a =x inbox", "not a claim"},
      {"a - exec", "absolute path"},
      {"a - exec bin/x", "absolute path"},
      {"a - http", "http needs"},
      {"a - http https://127.0.0.1/", "http needs"},
      {"a - http http://localhost/", "IP address"},
      {"a - http http://127.0.0.1:0/", "port"},
      {"a - http http://127.0.0.1:65536/", "port"},
      {"a - http http://127.0.0.1:8x/", "port"},
      {"a - http http://[::1/", "IP address"},
      {"a - http http://127.0.0.1/a b", "path of a URL"},
      {"a - http http://127.0.0.1/a#b", "path of a URL"},
      {"a - http unix:s:/in", "unix socket"},
  };
  for (const auto& [line, reason] : rows) {
    const Routes routes = Routes::parse("# first\n\n" + std::string(line) + "\n* - inbox\n");
    BOOST_REQUIRE_MESSAGE(routes.complaints.size() == 1U, line);
    BOOST_TEST(routes.complaints[0].line == 3);
    BOOST_TEST(routes.complaints[0].reason.find(reason) != std::string::npos,
               line << ": " << routes.complaints[0].reason);
  }
}

BOOST_AUTO_TEST_CASE(mismatch_names_what_does_not_match) {
  const Routes routes = Routes::parse("orders role=shop site=* reject\n");
  const Route& route = routes.routes[0];
  BOOST_TEST(route.mismatch("x", claims({{"role", "shop"}})) == "the topic is not orders");
  BOOST_TEST(route.mismatch("orders", claims({{"role", "a"}})) == "role is a, not shop");
  BOOST_TEST(route.mismatch("orders", claims({{"role", "shop"}})) == "there is no claim site");
  BOOST_TEST(route.mismatch("orders", claims({{"role", "shop"}, {"site", "1"}})) == "");
}

BOOST_AUTO_TEST_CASE(reads_changed_file_again) {
  const test::TempDir folder;
  const std::string path = folder / "routes";
  RoutesFile file(path);
  BOOST_REQUIRE(file.current().routes.size() == 1U);
  BOOST_TEST(file.current().routes[0].to.text == "inbox", "without a file");
  test::write_text(path, "a - inbox\n");
  BOOST_TEST(file.current().routes[0].topic == "a");
  test::write_text(path, "b - inbox\n");
  BOOST_TEST(file.current().routes[0].topic == "b", "of the same size, at once");
  const utimbuf long_ago{1'000'000, 1'000'000};
  test::write_text(path, "c - inbox\n");
  utime(path.c_str(), &long_ago);
  BOOST_TEST(file.current().routes[0].topic == "c", "with an older time");
  test::write_text(path, "c - inbox\nd fly\n");
  BOOST_CHECK_EXCEPTION((void)file.current(), Fault, [&](const Fault& fault) {
    return std::string(fault.what()).find(path + ", line 2: ") == 0;
  });
  std::filesystem::remove(path);
  BOOST_TEST(file.current().routes[0].to.text == "inbox");
}

BOOST_AUTO_TEST_CASE(knows_whether_handlers_must_share) {
  const std::pair<const char*, bool> rows[] = {
      {"a - inbox\n", false},
      {"a - exec /x\nb - inbox\n", false},
      {"a - exec /x\nb - exec /x\n", false},
      {"a - inbox\nb - exec /x\nc - exec /y\n", true},
      {"a - exec /x\nb - http http://127.0.0.1:1/\n", true},
  };
  for (const auto& [routes, several] : rows) {
    BOOST_TEST(Routes::parse(routes).has_several_handlers() == several, routes);
  }
}

}  // namespace
}  // namespace sealpost
