// The client's tool.
#define BOOST_TEST_MODULE client_tool
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <random>

#include "support/print.h"
#include "support/site.h"
#include "support/tools.h"

namespace sealpost {
namespace {

using test::expect_error;
using test::InstalledClient;
using test::mode_of;
using test::RunResult;
using test::says;
using Arguments = std::vector<std::string>;

// Runs a command line with the shell.
RunResult shell(const std::string& line) { return test::run({"/bin/sh", "-c", line}); }

BOOST_AUTO_TEST_CASE(client_installs_sends_and_shows_status) {
  InstalledClient r;
  expect_error(r.tool({"send", "--data", "x"}), "install");
  const RunResult installed = r.tool({"install", r.credential});
  BOOST_TEST(installed.status == 0, installed.err);
  BOOST_TEST(installed.out.empty());
  BOOST_TEST(mode_of(r.state) == 0700U);
  BOOST_TEST(r.tool({"send", "--topic", "a/b", "--data", "from data"}).status == 0);
  BOOST_TEST(r.tool({"send"}, "from stdin").status == 0);
  test::write_text(r.site.folder / "file", std::string("from file\0.", 11));
  BOOST_TEST(r.tool({"send", "--file", r.site.folder / "file"}).status == 0);
  BOOST_TEST(r.tool({"--clear-fields", "send", "--data", "in clear"}).status == 0);
  BOOST_TEST(r.tool({"send", "--data", ""}).status == 0);
  BOOST_TEST(r.tool({"ping"}).status == 0);
  BOOST_TEST(r.site.bodies() ==
             std::string("from data\nfrom stdin\nfrom file\0.\nin clear\n\n", 43));
  BOOST_TEST(r.site.inbox()[0].topic == "a/b");
  const RunResult status = r.tool({"status"});
  BOOST_TEST(says(status.out, "name: client1\n"));
  BOOST_TEST(says(status.out, "open messages: 0\n"));
  BOOST_TEST(says(status.out, "session: until 2"));
  BOOST_TEST(r.tool({"install", r.credential}).status == 0, "installing it again keeps the state");
  expect_error(r.tool({"install", r.site.folder / "absent.json"}), "absent.json");
  expect_error(r.tool({"send", "--topic", "a b", "--data", "x"}), "topic");
}

BOOST_AUTO_TEST_CASE(queued_messages_wait_for_flush) {
  const InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  for (const char* body : {"1", "2", "3"})
    BOOST_TEST(r.tool({"send", "--queue", "--data", body}).status == 0);
  BOOST_TEST(r.site.bodies().empty());
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 3\n"));
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "1\n2\n3\n");
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 0\n"));
}

BOOST_AUTO_TEST_CASE(exit_status_tells_outcome_of_message) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const RunResult unprinted = shell("printf x | " + test::program("sealpost-client") + " --state " +
                                    r.state + " send >/dev/full");
  BOOST_TEST(unprinted.status == 0, "the outcome's, whatever became of its reply");
  r.site.kill_gateways();
  const RunResult open = r.tool({"send", "--data", "later"});
  BOOST_TEST(open.status == 3);
  BOOST_TEST(says(open.err, "502"), open.err);
  BOOST_TEST(says(open.err, "log"), open.err);
  r.site.start_gateways();
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "x\nlater\n");
  r.site.operate({"client", "revoke", "client1"});
  const RunResult revoked = r.tool({"send", "--data", "sent to an ended session"});
  BOOST_TEST(revoked.status == 3);
  BOOST_TEST(says(revoked.err, "revoked: "), revoked.err);
  const RunResult unsent = r.tool({"send", "--data", "never left"});
  BOOST_TEST(unsent.status == 3);
  BOOST_TEST(says(unsent.err, "revoked: "), unsent.err);
  BOOST_TEST(says(unsent.err, "The message is kept."), unsent.err);
  BOOST_TEST(r.tool({"ping"}).status == 1);
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 2\n"), "no ping among them");
}

BOOST_AUTO_TEST_CASE(exit_status_5_means_handler_failed) {
  InstalledClient r;
  r.site.routes("run - exec " + r.site.script("fails", "exit 1") + "\n* - inbox\n");
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const RunResult failed = r.tool({"send", "--topic", "run", "--data", "x"});
  BOOST_TEST(failed.status == 5, failed.err);
  BOOST_TEST(says(failed.err, "failed: The server received the message, but its handler failed."),
             failed.err);
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 0\n"), "it is not sent again");
  BOOST_TEST(says(test::run({test::program("sealpost-client"), "--help"}).out,
                  "5 accepted but its handler failed"));
}

// The first word of `rejected list`.
std::string first_rejected(const InstalledClient& r) {
  const std::string list = r.tool({"rejected", "list"}).out;
  return list.substr(0, list.find(' '));
}

BOOST_AUTO_TEST_CASE(rejected_messages_are_listed_sent_and_dropped) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.site.routes("other - inbox\n");
  for (const char* body : {"one", "two"})
    BOOST_TEST(r.tool({"send", "--topic", "valve", "--data", body}).status == 1);
  BOOST_TEST(says(r.tool({"status"}).out, "rejected messages: 2\n"));
  BOOST_TEST(says(r.tool({"rejected", "list"}).out, "  valve  3 bytes  "));
  expect_error(r.tool({"rejected", "send", "9"}), "No rejected message is named 9");
  r.site.routes("* - inbox\n");
  const RunResult sent = r.tool({"rejected", "send", first_rejected(r)});
  BOOST_TEST(sent.status == 0, sent.err);
  BOOST_TEST(r.site.bodies() == "one\n");
  std::filesystem::remove(r.state + "/rejected/" + first_rejected(r) + ".why");
  expect_error(r.tool({"rejected", "send", first_rejected(r)}), "--again");
  BOOST_TEST(r.tool({"rejected", "drop", first_rejected(r)}).status == 0);
  BOOST_TEST(r.tool({"rejected", "list"}).out.empty());
  BOOST_TEST(r.site.bodies() == "one\n");
}

BOOST_AUTO_TEST_CASE(replies_of_queued_messages_are_kept) {
  InstalledClient r;
  r.site.routes("ask - exec " + r.site.script("asks", "printf 'to '; cat") + "\n* - inbox\n");
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const auto queue = [&](const std::string& body) {
    BOOST_TEST(r.tool({"send", "--queue", "--topic", "ask", "--data", body}).status == 0);
  };
  queue("1");
  queue("2");
  const RunResult sent = r.tool({"send", "--topic", "ask", "--data", "own"});
  BOOST_TEST(sent.out == "to own", "a reply that somebody waits for is printed, and not kept");
  queue("3");
  const RunResult flushed = r.tool({"flush"});
  BOOST_TEST(flushed.status == 0, flushed.err);
  BOOST_TEST(flushed.out.empty());
  const RunResult unprinted =
      shell(test::program("sealpost-client") + " --state " + r.state + " replies >/dev/full");
  BOOST_TEST(unprinted.status == 1, "the replies are still kept");
  const std::string out = r.tool({"replies"}).out;
  for (const char* line : {" ask 4\nto 1\n", " ask 4\nto 2\n", " ask 4\nto 3\n"})
    BOOST_TEST(says(out, line), out);
  BOOST_TEST(out.find("to 1") < out.find("to 3"));
  BOOST_TEST(r.tool({"replies"}).out.empty(), "each is printed once");
}

BOOST_AUTO_TEST_CASE(flush_gives_replies_to_program) {
  InstalledClient r;
  r.site.routes("ask - exec " + r.site.script("asks", "printf 'to '; cat") + "\n* - inbox\n");
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  BOOST_TEST(r.tool({"send", "--queue", "--topic", "ask", "--data", "1"}).status == 0);
  const RunResult failed = r.tool({"flush", "--exec", r.site.script("breaks", "exit 7")});
  BOOST_TEST(failed.status == 1);
  BOOST_TEST(says(failed.err, "is kept"), failed.err);
  const std::string program = r.site.script("takes", "echo \"$SEALPOST_TOPIC: $(cat)\"");
  BOOST_TEST(r.tool({"flush", "--exec", program}).out == "ask: to 1\n");
  BOOST_TEST(r.tool({"flush", "--exec", program}).out.empty(), "each is given once");
}

BOOST_AUTO_TEST_CASE(new_credential_starts_empty_unless_messages_are_open) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const std::string other = r.site.credential("client2", r.site.url());
  BOOST_TEST(r.tool({"send", "--queue", "--data", "x"}).status == 0);
  expect_error(r.tool({"install", other}), "still open");
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.tool({"install", other}).status == 0);
  BOOST_TEST(says(r.tool({"status"}).out, "name: client2\n"));
}

BOOST_AUTO_TEST_CASE(renewed_credential_keeps_messages_never_sent) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.site.kill_gateways();
  BOOST_TEST(r.tool({"send", "--topic", "left", "--data", "may have acted"}).status == 3);
  BOOST_TEST(r.tool({"send", "--queue", "--data", "waits"}).status == 0);
  r.site.start_gateways();
  const std::string renewed = r.site.folder / "renewed.json";
  r.site.home.set_url(r.site.url());
  BOOST_REQUIRE(
      r.site.operate({"client", "renew", "client1", "--grace", "0", "--out", renewed}).status == 0);
  const RunResult revoked = r.tool({"flush"});
  BOOST_TEST(revoked.status == 3);
  BOOST_TEST(says(revoked.err, "revoked"), revoked.err);

  const RunResult installed = r.tool({"install", renewed});
  BOOST_TEST(installed.status == 0, installed.err);
  BOOST_TEST(says(installed.err, "Message 1 (left): unknown"), installed.err);
  BOOST_TEST(!says(installed.err, "waits"), installed.err);
  BOOST_TEST(says(r.tool({"status"}).out, "generation: 2\n"));
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 1\n"));
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "waits\n");
  r.tool({"send", "--queue", "--data", "x"});
  expect_error(r.tool({"install", r.credential}), "still open");
}

BOOST_AUTO_TEST_CASE(client_names_what_is_wrong_with_its_arguments) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  expect_error(r.tool({"send", "--topic", "sealpost/x", "--data", "x"}), "sealpost/");
  expect_error(r.tool({"send", "--queue", "--topic", "sealpost/ping", "--data", "x"}), "sealpost/");
  expect_error(r.tool({"send", "--file", r.site.folder.path()}), "is a directory. Name a file.");
  test::write_text(r.site.folder / "rubbish", "x");
  expect_error(r.tool({"install", r.site.folder / "rubbish"}),
               "rubbish: this is not a sealpost credential");
  BOOST_TEST(r.site.bodies().empty());
  expect_error(shell("unset HOME XDG_STATE_HOME; " + test::program("sealpost-client") + " status"),
               "Use --state DIR or set HOME");
}

BOOST_AUTO_TEST_CASE(install_detects_tampered_credential) {
  const InstalledClient r;
  std::string text = test::read_text(r.credential);
  text.replace(text.find("\"sensor\""), 8, "\"operator\"");
  test::write_text(r.site.folder / "tampered.json", text);
  const RunResult ran = r.tool({"install", r.site.folder / "tampered.json"});
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(says(ran.err, "forbidden"), ran.err);
}

BOOST_AUTO_TEST_CASE(two_processes_of_one_client_take_turns) {
  const InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  std::vector<test::Process> senders;
  for (int i = 0; i < 6; ++i) {
    senders.emplace_back(Arguments{test::program("sealpost-client"), "--state", r.state, "send",
                                   "--data", std::to_string(i)},
                         r.site.folder / "senders");
  }
  for (test::Process& sender : senders)
    BOOST_TEST(sender.wait(std::chrono::seconds(30)).value_or(-1) == 0);
  BOOST_TEST(r.site.inbox().size() == 6U);
}

BOOST_AUTO_TEST_CASE(client_killed_at_any_moment_delivers_exactly_once) {
  InstalledClient r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const auto start = test::Clock::now();
  BOOST_REQUIRE(r.tool({"send", "--data", "unharmed"}).status == 0);
  const auto whole =
      std::chrono::duration_cast<std::chrono::microseconds>(test::Clock::now() - start);
  std::mt19937 random(7);
  for (int i = 0; i < 30; ++i) {
    test::Process sender({test::program("sealpost-client"), "--state", r.state, "send", "--data",
                          "m" + std::to_string(i)},
                         r.site.folder / "senders");
    sender.wait(whole * (random() % 100) / 100);
    sender.signal(SIGKILL);
    sender.wait(std::chrono::seconds(5));
  }
  BOOST_TEST(r.tool({"flush"}).status == 0);
  std::map<std::string, int> stored;
  for (const InboxRow& row : r.site.inbox()) ++stored[std::string(text_of(row.body))];
  for (const auto& [body, count] : stored) BOOST_TEST(count == 1, body);
  BOOST_TEST(stored.size() > 5U);
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 0\n"));
}

}  // namespace
}  // namespace sealpost
