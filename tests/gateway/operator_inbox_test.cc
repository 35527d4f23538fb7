// The operator's tool beside a running gateway: inbox, sessions and backups.
#define BOOST_TEST_MODULE operator_inbox
#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/print.h"
#include "support/site.h"
#include "support/tools.h"

namespace sealpost {
namespace {

using test::expect_error;
using test::expect_usage_error;
using test::InstalledClient;
using test::lines_of;
using test::mode_of;
using test::RunResult;
using test::says;

BOOST_AUTO_TEST_CASE(operator_lists_messages_sessions_and_counts) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.tool({"send", "--topic", "text", "--data", "hello"});
  r.tool({"send", "--topic", "bytes"}, std::string("\xff\x00", 2));
  const auto list = lines_of(r.site.operate({"inbox", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 2U);
  BOOST_TEST(list[0]["topic"] == "text");
  BOOST_TEST(list[0]["body"] == "hello");
  BOOST_TEST(list[0]["claims"]["role"] == "sensor");
  BOOST_TEST(list[0]["name"] == "client1");
  BOOST_TEST(!list[1].contains("body"));
  BOOST_TEST(list[1]["body_base64url"] == "_wA");
  const std::string number = std::to_string(list[0]["number"].get<int>());
  BOOST_TEST(lines_of(r.site.operate({"inbox", "list", "--json", "--after", number}).out).size() ==
             1U);
  BOOST_TEST(lines_of(r.site.operate({"inbox", "list", "--json", "--topic", "text"}).out).size() ==
             1U);
  BOOST_TEST(lines_of(r.site.operate({"inbox", "list", "--json", "--name", "nobody"}).out).empty());
  BOOST_TEST(lines_of(r.site.operate({"inbox", "list", "--json", "--limit", "1"}).out).size() ==
             1U);
  const RunResult shown = r.site.operate({"inbox", "show", number});
  BOOST_TEST(shown.out.ends_with("\n\nhello"));
  BOOST_TEST(says(shown.out, "topic: text\n"));
  BOOST_TEST(says(r.site.operate({"inbox", "list"}).out, "TOPIC"));
  BOOST_TEST(r.site.operate({"inbox", "show", "999"}).status == 1);

  const auto sessions = lines_of(r.site.operate({"session", "list", "--json"}).out);
  BOOST_REQUIRE(sessions.size() == 1U);
  BOOST_TEST(sessions[0]["state"] == "active");
  expect_usage_error(r.site.operate({"session", "end"}), "--all");
  expect_error(r.site.operate({"session", "end", "nobody"}), "no client nobody");
  BOOST_TEST(r.site.operate({"session", "end", "client1"}).out == "1 session ended.\n");
  BOOST_TEST(r.site.operate({"session", "end", "--all"}).out == "0 sessions ended.\n");
  BOOST_TEST(r.tool({"send", "--data", "goes on by itself"}).status == 0);

  (void)test::post_form(r.site.url(), "garbage");
  r.site.gateways[0].signal(SIGTERM);
  BOOST_TEST(r.site.gateways[0].wait(std::chrono::seconds(5)).value_or(-1) == 0);
  std::map<std::string, int> counts;
  for (const auto& line : lines_of(r.site.operate({"stats", "--json"}).out)) {
    counts[line["name"].get<std::string>() + "/" + line["outcome"].get<std::string>()] +=
        line["count"].get<int>();
  }
  BOOST_TEST(counts["client1/accepted"] == 4, "a ping and three messages");
  BOOST_TEST(counts["/form"] == 1);
  BOOST_TEST(counts["client1/session"] == 1,
             "the one record that came into an ended session: the gateway still knew whose it was");

  BOOST_TEST(r.site.operate({"inbox", "prune", "--older", "30d"}).out ==
             "0 messages pruned; 0 replay records kept.\n");
  BOOST_TEST(r.site.operate({"inbox", "prune", "--older", "0"}).status == 0);
  BOOST_TEST(r.site.operate({"inbox", "list", "--json"}).out.empty());
  BOOST_TEST(r.site.operate({"inbox", "prune", "--older", "x"}).status == 2);
}

BOOST_AUTO_TEST_CASE(follow_prints_messages_as_they_arrive) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.tool({"send", "--data", "before"});
  test::Process follow({test::program("sealpost"), "--home", r.site.home.root(), "inbox", "follow",
                        "--json", "--after", "1"},
                       r.site.folder / "followed");
  const auto followed = [&](const std::string& word) {
    return says(test::read_text(r.site.folder / "followed"), word);
  };
  test::eventually("what was there is printed", [&] { return followed("before"); });
  r.tool({"send", "--data", "after"});
  test::eventually("what comes is printed", [&] { return followed("after"); });
}

BOOST_AUTO_TEST_CASE(client_continues_after_restore_under_running_gateway) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.tool({"send", "--data", "1"});
  const std::string file = r.site.folder / "backup.db";
  BOOST_TEST(r.site.operate({"backup", file}).status == 0);
  BOOST_TEST(r.site.operate({"backup", file}).status == 1);
  BOOST_TEST(mode_of(file) == 0600U);
  r.tool({"send", "--data", "lost with the restore"});
  const RunResult restored = r.site.operate({"restore", "--yes", file});
  BOOST_TEST(restored.status == 0, restored.err);
  const RunResult sent = r.tool({"send", "--data", "2"});
  BOOST_TEST(sent.status == 0, sent.err);
  BOOST_TEST(r.site.bodies() == "1\n2\n");
  expect_error(r.site.operate({"restore", "--yes", r.site.folder / "absent"}), "does not exist");
  expect_usage_error(r.site.operate({"restore", ""}), "FILE is empty");
  expect_usage_error(r.site.operate({"backup", ""}), "FILE is empty");

  test::write_text(r.site.home.store_paths().database, "");
  const RunResult over = r.site.operate({"restore", "--yes", file});
  BOOST_TEST(over.status == 0, over.err);
  BOOST_TEST(says(over.out, "kept as " + r.site.home.store_paths().database + ".damaged-"));
  BOOST_TEST(r.tool({"send", "--data", "3"}).status == 0);
  BOOST_TEST(r.site.bodies() == "1\n3\n");
}

BOOST_AUTO_TEST_CASE(restore_says_how_many_messages_are_suspended) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.tool({"send", "--data", "1"});
  const std::string file = r.site.folder / "backup.db";
  BOOST_TEST(r.site.operate({"backup", file}).status == 0);
  SQLite::Database(file, SQLite::OPEN_READWRITE)
      .exec("UPDATE message SET status = 2, attempt = 1, leased_until = 1 WHERE body IS NOT NULL");
  const RunResult restored = r.site.operate({"restore", "--yes", file});
  BOOST_TEST(says(restored.out, "1 message suspended"), restored.out);
  BOOST_TEST(says(r.site.operate({"inbox", "list"}).out, "suspended"));
  const RunResult done = r.site.operate({"inbox", "done", "2"});
  BOOST_TEST(says(done.out, "Message 2 is marked as done"), done.out << done.err);
  expect_error(r.site.operate({"inbox", "retry", "2"}),
               "Only a failed or suspended message can be retried");
}

}  // namespace
}  // namespace sealpost
