// The operator's commands for routes and deliveries, and the files of deploy/examples.
#define BOOST_TEST_MODULE delivery_commands
#include <SQLiteCpp/SQLiteCpp.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/idempotency_key.h"
#include "support/says.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::eventually;
using test::NginxSite;
using test::Peer;
using test::read_text;
using test::RunResult;
using test::says;
using test::Site;

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

BOOST_AUTO_TEST_CASE(operator_lists_routes) {
  NginxSite site;
  const std::string program = site.script("take-order", "cat");
  site.routes("# comment\norders role=shop exec " + program + "\n* role=* inbox\n");
  (void)site.client("shop1", "shop", {"--claim", "site=a"});
  (void)site.client("old", "shop");
  BOOST_TEST(site.operate({"routes", "check"}).status == 0);
  BOOST_TEST(says(site.operate({"routes", "show"}).out, "take-order"));
  const RunResult json = site.operate({"routes", "show", "--json"});
  const auto first = nlohmann::json::parse(json.out.substr(0, json.out.find('\n')));
  BOOST_TEST(first["line"] == 2);
  BOOST_TEST(first["topic"] == "orders");
  BOOST_TEST(first["to"] == "exec " + program);
  const auto test_of = [&](const std::string& name, const std::string& topic) {
    return site.operate({"routes", "test", name, topic}).out;
  };
  BOOST_TEST(test_of("shop1", "orders") ==
             "Line 2: delivered to the handler `exec " + program + "`.\n");
  BOOST_TEST(test_of("shop1", "x") ==
             "Line 2: no match: the topic is not orders.\nLine 3: delivered to the inbox.\n");
  BOOST_TEST(says(test_of("shop1", "sealpost/ping"), "ping"));
  BOOST_TEST(says(test_of("shop1", "sealpost/x"), "no_route"));
  site.operate({"client", "revoke", "old"});
  BOOST_TEST(says(test_of("old", "orders"), "revoked"));
  BOOST_TEST(site.operate({"routes", "test", "nobody", "x"}).status == 1);

  site.routes("* - inbox\n* fly\n* - exec /none/such\n");
  const RunResult bad = site.operate({"routes", "check"});
  BOOST_TEST(bad.status == 1);
  BOOST_TEST(says(bad.out, "/routes, line 2: "), bad.out);
  BOOST_TEST(says(bad.out, "/routes, line 3: Cannot run /none/such"), bad.out);
  BOOST_TEST(site.operate({"routes", "show"}).status == 1);
  BOOST_TEST(site.operate({"routes"}).status == 2);
}

BOOST_AUTO_TEST_CASE(operator_lists_states_and_redelivers) {
  NginxSite site;
  const std::string program = site.script("handler", "exit 1");
  site.routes("run - exec " + program + "\n* - inbox\n");
  Peer peer = site.client();
  peer.handshake();
  const Message message = peer.message("x", "run");
  BOOST_TEST(peer.send(message).status == "failed");
  BOOST_TEST(peer.send("y", "box").status == "accepted");
  const auto states = [&] {
    std::string all;
    std::istringstream lines(site.operate({"inbox", "list", "--json"}).out);
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      all += json["state"].get<std::string>() + json["attempt"].dump() + " ";
    }
    return all;
  };
  BOOST_TEST(states() == "failed1 settled0 ");
  BOOST_TEST(says(site.operate({"stats"}).out, "failed"));
  const RunResult still = site.operate({"inbox", "retry", "1"});
  BOOST_TEST(still.status == 1);
  BOOST_TEST(says(still.out, "1  client1  run  failed: exit status 1"), still.out);
  (void)site.script("handler", "printf fixed");
  const RunResult fixed = site.operate({"inbox", "retry", "1"});
  BOOST_TEST(fixed.status == 0, fixed.err);
  BOOST_TEST(says(fixed.out, "as attempt 3"));
  BOOST_TEST(says(fixed.out, "\n1  client1  run  accepted\n"));
  BOOST_TEST(states() == "settled3 settled0 ");
  BOOST_TEST(peer.send(message).body == "fixed");
  for (const char* number : {"1", "2", "9"}) {
    BOOST_TEST(site.operate({"inbox", "retry", number}).status == 1, number);
  }
  const RunResult nothing = site.operate({"inbox", "deliver"});
  BOOST_TEST(nothing.status == 0);
  BOOST_TEST(nothing.out.empty());
  BOOST_TEST(nothing.err.empty());
}

std::string example(const Site& site, const std::string& name) {
  std::string path = site.folder / name;
  std::filesystem::copy_file("deploy/examples/" + name, path);
  return path;
}

BOOST_AUTO_TEST_CASE(exec_examples_work_and_ignore_repeated_message) {
  NginxSite site;
  site.routes("orders - exec " + example(site, "take-order.php") + "\ntelemetry/* - exec " +
              example(site, "spool.sh") + "\n");
  Peer peer = site.client("shop1", "shop");
  peer.handshake();
  BOOST_TEST(peer.send(R"({"item":"pen"})", "orders").body == "order 1\n");
  BOOST_TEST(peer.send(R"({"item":"ink"})", "orders").body == "order 2\n");
  BOOST_TEST(peer.send("{}", "orders").status == "failed");
  BOOST_TEST(says(site.log(), "this order names no item"));
  const Message reading = peer.message("21.5", "telemetry/room");
  BOOST_TEST(says(peer.send(reading).body, "stored as "));
  const std::string key = idempotency_key(site.home.server_id(), {"shop1", 1, peer.install_nonce},
                                          reading.counter, reading.digest());
  BOOST_TEST(read_text(site.folder / ("spool/" + key)) == "21.5");
  // As after a crash: the same message again.
  SQLite::Database(site.home.store_paths().database, SQLite::OPEN_READWRITE, 5000)
      .exec("UPDATE message SET status = 2, leased_until = 0 WHERE attempt > 0 AND status = 0");
  BOOST_TEST(lines_in(site.operate({"inbox", "deliver"}).out) == 3U);
  BOOST_TEST(peer.send(R"({"item":"cap"})", "orders").body == "order 3\n");
}

BOOST_AUTO_TEST_CASE(http_example_works) {
  NginxSite site;
  const int port = test::free_port();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  (void)example(site, "web-handler.php");
  const test::Process php({"/usr/bin/php", "-S", address, "-t", site.folder.path()},
                          site.folder / "php.out");
  eventually("PHP answers",
             [&] { return test::http("http://" + address + "/x", "GET", {}, "").status != 0; });
  site.routes("app/* role=* http http://" + address + "/web-handler.php\n");
  Peer peer = site.client("dev1", "device");
  peer.handshake();
  BOOST_TEST(peer.send("12345", "app/x").body == "dev1 (device) sent 5 bytes to app/x\n");
  BOOST_TEST(peer.send("", "app/x").status == "failed");
  BOOST_TEST(says(site.log(), "HTTP status 422"));
  BOOST_TEST(test::http("http://" + address + "/web-handler.php", "GET", {}, "").status == 405);
}

BOOST_AUTO_TEST_CASE(example_page_shows_inbox_and_escapes_html) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send("<b>21.5 & more</b>", "telemetry/room").status == "accepted");
  setenv("SEALPOST_HOME", site.home.root().c_str(), 1);
  const RunResult page = test::run({"/usr/bin/php", "deploy/examples/inbox.php"});
  unsetenv("SEALPOST_HOME");
  BOOST_TEST(page.status == 0, page.err);
  BOOST_TEST(says(page.out, "<td>1<td>client1<td>telemetry/room<td>20"), page.out);
  BOOST_TEST(says(page.out, "<td>settled<td>&lt;b&gt;21.5 &amp; more&lt;/b&gt;"), page.out);
  BOOST_TEST(peer.send("again").status == "accepted", "and the gateway writes on");
}

BOOST_AUTO_TEST_CASE(example_crontab_commands_work) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  peer.send("x");
  std::filesystem::create_directory(site.folder / "bin");
  std::filesystem::create_directory(site.folder / "backup");
  std::filesystem::copy_file(test::program("sealpost"), site.folder / "bin/sealpost");
  std::istringstream lines(read_text("deploy/examples/crontab"));
  int commands = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string ignored;
    for (int i = 0; i < 5; ++i) words >> ignored;
    std::string command;
    std::getline(words, command);
    // Like cron: \% becomes %. The home is this test's.
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"\\%", "%"},
             {"/home/YOU/sealpost-home", site.home.root()},
             {"/home/YOU", site.folder.path()}}) {
      for (std::size_t at = 0; (at = command.find(from, at)) != std::string::npos;
           at += to.size()) {
        command.replace(at, from.size(), to);
      }
    }
    const RunResult ran = test::run({"/bin/sh", "-c", command});
    BOOST_TEST(ran.status == 0, command << ": " << ran.err);
    BOOST_TEST((ran.out + ran.err).empty(), "cron would send mail: " << ran.out);
    ++commands;
  }
  BOOST_TEST(commands == 3);
  BOOST_TEST(!std::filesystem::is_empty(site.folder / "backup"));
}

}  // namespace
}  // namespace sealpost
