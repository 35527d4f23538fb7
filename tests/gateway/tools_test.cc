// The three programs as people and scripts use them: what they print, and their exit status.
#define BOOST_TEST_MODULE tools
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "base/encoding.h"
#include "support/print.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::NginxSite;
using test::RunResult;
using test::TempDir;

using Arguments = std::vector<std::string>;

struct OperatorTool {
  TempDir folder;
  std::string home = folder / "home";

  OperatorTool() { BOOST_REQUIRE(run({"init", "--url", "http://127.0.0.1:1/gate"}).status == 0); }
  RunResult run(Arguments words) const {
    words.insert(words.begin(), {test::program("sealpost"), "--home", home});
    return test::run(words);
  }
};

bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

void expect_exit(int status, const RunResult& ran, const std::string& word) {
  BOOST_TEST(ran.status == status, ran.err);
  BOOST_TEST(says(ran.err, word), ran.err);
  BOOST_TEST(ran.err.starts_with("sealpost"), ran.err);
  BOOST_TEST(ran.out.empty(), ran.out);
}
void expect_error(const RunResult& ran, const std::string& word) { expect_exit(1, ran, word); }
void expect_usage_error(const RunResult& ran, const std::string& word) {
  expect_exit(2, ran, word);
}

// A command line of the shell's.
RunResult shell(const std::string& line) { return test::run({"/bin/sh", "-c", line}); }

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

unsigned mode_of(const std::string& path) {
  struct stat status {};
  stat(path.c_str(), &status);
  return status.st_mode & 0777;
}

BOOST_AUTO_TEST_CASE(every_program_prints_its_version) {
  const std::string own = SEALPOST_VERSION;
  const RunResult gateway = test::run({test::program("sealpost.fcgi"), "--version"});
  BOOST_TEST(gateway.status == 0);
  BOOST_TEST(says(gateway.out, "sealpost.fcgi " + own));
  BOOST_TEST(says(gateway.out, "OpenSSL 3"));
  BOOST_TEST(says(gateway.out, "SQLite 3"));
  BOOST_TEST(test::run({test::program("sealpost"), "--version"}).out == "sealpost " + own + "\n");
  BOOST_TEST(test::run({test::program("sealpost-client"), "--version"}).out ==
             "sealpost-client " + own + "\n");
}

BOOST_AUTO_TEST_CASE(usage_errors_exit_2) {
  const OperatorTool operator_tool;
  for (const Arguments& words : {Arguments{},
                                 {"fly"},
                                 {"client"},
                                 {"client", "add"},
                                 {"client", "add", "a"},
                                 {"client", "add", "a", "--role"},
                                 {"inbox", "show"},
                                 {"inbox", "show", "x"},
                                 {"key", "retire", "256"},
                                 {"session", "list", "--wings"}}) {
    BOOST_TEST(operator_tool.run(words).status == 2, (words.empty() ? "nothing" : words.back()));
  }
  BOOST_TEST(test::run({test::program("sealpost-client")}).status == 2);
  BOOST_TEST(
      test::run({test::program("sealpost-client"), "send", "--data", "x", "--file", "y"}).status ==
      2);
  BOOST_TEST(test::run({test::program("sealpost.fcgi")}).status == 2);
  BOOST_TEST(test::run({test::program("sealpost.fcgi"), "--threads", "0"}).status == 2);
  BOOST_TEST(operator_tool.run({"--help"}).status == 0);
  BOOST_TEST(says(operator_tool.run({"--help"}).out,
                  "Exit status: 0 success, 1 rejected or failed, 2 usage error"));
}

BOOST_AUTO_TEST_CASE(usage_error_names_wrong_argument) {
  const OperatorTool operator_tool;
  expect_usage_error(operator_tool.run({"fly"}), "no command or option fly");
  expect_usage_error(operator_tool.run({"client", "fly"}), "no command or option fly");
  expect_usage_error(operator_tool.run({"clinet", "list"}), "no command or option clinet");
  expect_usage_error(operator_tool.run({"session", "list", "--wings"}), "--wings");
  expect_usage_error(operator_tool.run({"--wings", "session"}), "--wings");
  expect_usage_error(operator_tool.run({"client"}), "subcommand is required");
  expect_usage_error(test::run({test::program("sealpost-client"), "fly"}),
                     "no command or option fly");
  expect_usage_error(test::run({test::program("sealpost-client"), "ping", "--wings"}), "--wings");
}

BOOST_AUTO_TEST_CASE(failed_output_is_an_error) {
  const OperatorTool operator_tool;
  BOOST_REQUIRE(operator_tool.run({"client", "add", "a", "--role", "r"}).status == 0);
  const std::string tool = test::program("sealpost") + " --home " + operator_tool.home;
  for (const char* words : {" client list", " client list --json", " client add b --role r",
                            " doctor", " key rotate", " --help"}) {
    const RunResult ran = shell(tool + words + " >/dev/full");
    BOOST_TEST(ran.status == 1, words);
    BOOST_TEST(says(ran.err, "could not be"), words);
  }
}

BOOST_AUTO_TEST_CASE(requires_a_named_home) {
  const OperatorTool operator_tool;
  const TempDir elsewhere;
  expect_error(test::run({test::program("sealpost"), "client", "list"}), "--home");
  expect_error(test::run({test::program("sealpost"), "--home", elsewhere.path() + "/none", "client",
                          "list"}),
               "sealpost init");
  expect_error(operator_tool.run({"init"}), "home already");
  BOOST_TEST(operator_tool.run({"init", "--url", "http://127.0.0.1:2/gate"}).status == 0,
             "the URL can be set again");
  chmod(operator_tool.home.c_str(), 0755);
  expect_error(operator_tool.run({"client", "list"}), "chmod 700");
  expect_error(test::run({test::program("sealpost"), "--home", test::program("sealpost"), "init"}),
               "is a file, not a folder");
}

BOOST_AUTO_TEST_CASE(every_command_rejects_another_users_home) {
  if (geteuid() == 0) return;  // whose is it then?
  for (const Arguments& words : {Arguments{"init"},
                                 {"init", "--url", "http://x/"},
                                 {"client", "list"},
                                 {"client", "add", "a", "--role", "r"},
                                 {"session", "list"},
                                 {"inbox", "list"},
                                 {"key", "list"},
                                 {"key", "rotate"},
                                 {"stats"},
                                 {"backup", "b"},
                                 {"restore", "b"}}) {
    Arguments all = {test::program("sealpost"), "--home", "/usr"};
    all.insert(all.end(), words.begin(), words.end());
    expect_error(test::run(all),
                 "/usr belongs to root: run as that user (sudo -u root sealpost ...)");
  }
  const RunResult doctor = test::run({test::program("sealpost"), "--home", "/usr", "doctor"});
  BOOST_TEST(doctor.status == 1);
  BOOST_TEST(
      lines_of(test::run({test::program("sealpost"), "--home", "/usr", "doctor", "--json"}).out)
          .size() == 1U);
}

BOOST_AUTO_TEST_CASE(rejects_url_that_a_client_cannot_post_to) {
  const OperatorTool operator_tool;
  for (const char* bad : {"your.host/gate", "ftp://host/", "http://", "https:///gate",
                          "http://a b/", "http://a\tb/"}) {
    expect_usage_error(operator_tool.run({"init", "--url", bad}),
                       "is not http://HOST/... or https://HOST/...");
  }
  BOOST_TEST(operator_tool.run({"init", "--url", "https://host:8443/gate?x"}).status == 0);
  BOOST_TEST(
      operator_tool
          .run({"client", "add", "a", "--role", "r", "--out", operator_tool.folder / "a.json"})
          .status == 0);
  std::string text = test::read_text(operator_tool.folder / "a.json");
  text.replace(text.find("https:"), 6, "gopher:");
  test::write_text(operator_tool.folder / "bad.json", text);
  expect_error(
      test::run({test::program("sealpost-client"), "--state", operator_tool.folder / "state",
                 "install", operator_tool.folder / "bad.json"}),
      "bad.json: this is not a sealpost credential: url is not http://HOST/...");
}

BOOST_AUTO_TEST_CASE(init_rejects_home_whose_keys_are_lost) {
  const OperatorTool operator_tool;
  BOOST_REQUIRE(operator_tool.run({"client", "add", "a", "--role", "r"}).status == 0);
  std::filesystem::remove_all(operator_tool.home + "/keys");
  expect_error(operator_tool.run({"init"}), "back from a copy");
  BOOST_TEST(!std::filesystem::exists(operator_tool.home + "/keys"));
}

BOOST_AUTO_TEST_CASE(prints_credential_or_writes_it_with_mode_0600) {
  const OperatorTool operator_tool;
  const RunResult printed = operator_tool.run(
      {"client", "add", "a", "--role", "sensor", "--claim", "site=x=y", "--expires", "90d"});
  BOOST_TEST(printed.status == 0);
  const auto json = nlohmann::json::parse(printed.out);
  BOOST_TEST(json["sealpost"] == 1);
  BOOST_TEST(json["url"] == "http://127.0.0.1:1/gate");
  BOOST_TEST(json["name"] == "a");
  BOOST_TEST(json["kid"] == 1);
  BOOST_TEST(json["generation"] == 1);
  BOOST_TEST(json["claims"]["role"] == "sensor");
  BOOST_TEST(json["claims"]["site"] == "x=y");
  const auto end = std::stoull(json["claims"]["not_after"].get<std::string>());
  BOOST_TEST(distance(Time(end * kSecond), system_now() + 90 * kDay) < kMinute);
  for (const auto& [key, size] :
       {std::pair{"server_id", 16U}, {"client_key", 16U}, {"key_use_hmac", 32U}}) {
    BOOST_TEST(from_base64url(json[key].get<std::string>()).value().size() == size, key);
  }

  const std::string file = operator_tool.folder / "b.json";
  BOOST_TEST(operator_tool.run({"client", "add", "b", "--role", "sensor", "--out", file}).status ==
             0);
  BOOST_TEST(mode_of(file) == 0600U);
  BOOST_TEST(nlohmann::json::parse(test::read_text(file))["name"] == "b");
  expect_error(operator_tool.run({"client", "add", "c", "--role", "sensor", "--out", file}),
               "Name a new file");
  expect_error(operator_tool.run({"client", "show", "c"}), "no client c");
}

BOOST_AUTO_TEST_CASE(explains_why_credential_cannot_be_issued) {
  const OperatorTool operator_tool;
  BOOST_TEST(operator_tool.run({"client", "add", "a", "--role", "r"}).status == 0);
  expect_error(operator_tool.run({"client", "add", "a", "--role", "r"}), "renew");
  const auto wrong = [&](Arguments more, const char* word) {
    Arguments words = {"client", "add", "b", "--role", "r"};
    words.insert(words.end(), more.begin(), more.end());
    expect_usage_error(operator_tool.run(words), word);
  };
  expect_usage_error(operator_tool.run({"client", "add", ".x", "--role", "r"}),
                     "first a letter or digit");
  expect_usage_error(operator_tool.run({"client", "add", "b", "--role", ""}), "role");
  expect_usage_error(operator_tool.run({"client", "renew", "a", "--role", ""}), "role");
  wrong({"--claim", "noequals"}, "KEY=VALUE");
  wrong({"--claim", "role=admin"}, "--role");
  wrong({"--claim", "Key=x"}, "key");
  wrong({"--claim", "a=b\tc"}, "control");
  wrong({"--claim", "a=b", "--claim", "a=c"}, "given twice");
  wrong({"--expires", "soon"}, "90d");
  wrong({"--expires", "1d", "--claim", "not_after=5"}, "not both");
  wrong({"--claim", "not_after=5"}, "has passed");
  wrong({"--expires", "1d", "--claim", "not_before=99999999999"}, "not earlier");
  expect_error(operator_tool.run({"client", "renew", "b"}), "no client b");
  expect_error(operator_tool.run({"client", "revoke", "b"}), "no client b");
  expect_error(operator_tool.run({"client", "remove", "b"}), "no client b");
}

BOOST_AUTO_TEST_CASE(lists_shows_renews_revokes_and_removes_clients) {
  const OperatorTool operator_tool;
  operator_tool.run(
      {"client", "add", "a", "--role", "sensor", "--claim", "site=x", "--expires", "1d"});
  operator_tool.run({"client", "add", "b", "--role", "shop"});
  const auto renewed = nlohmann::json::parse(operator_tool.run({"client", "renew", "a"}).out);
  BOOST_TEST(renewed["generation"] == 2);
  BOOST_TEST(renewed["claims"]["role"] == "sensor");
  BOOST_TEST(renewed["claims"]["site"] == "x");
  BOOST_TEST(!renewed["claims"].contains("not_after"), "times are given anew");
  const auto changed = nlohmann::json::parse(
      operator_tool.run({"client", "renew", "a", "--role", "master", "--claim", "site=y"}).out);
  BOOST_TEST(changed["claims"]["role"] == "master");
  BOOST_TEST(changed["claims"]["site"] == "y");

  BOOST_TEST(operator_tool.run({"client", "revoke", "b"}).status == 0);
  const auto list = lines_of(operator_tool.run({"client", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 2U);
  BOOST_TEST(list[0]["name"] == "a");
  BOOST_TEST(list[0]["generation"] == 3);
  BOOST_TEST(list[0]["standing"] == "valid");
  BOOST_TEST(list[1]["standing"] == "revoked");
  BOOST_TEST(says(operator_tool.run({"client", "list"}).out, "NAME"));
  BOOST_TEST(
      lines_of(operator_tool.run({"client", "show", "a", "--json"}).out).at(0)["claims"]["role"] ==
      "master");
  BOOST_TEST(operator_tool.run({"client", "remove", "b"}).status == 0);
  BOOST_TEST(lines_of(operator_tool.run({"client", "list", "--json"}).out).size() == 1U);
  const auto again =
      nlohmann::json::parse(operator_tool.run({"client", "add", "b", "--role", "shop"}).out);
  BOOST_TEST(again["generation"] == 4, "generations never go back");
}

BOOST_AUTO_TEST_CASE(shows_client_status_by_its_validity_times) {
  const OperatorTool operator_tool;
  const std::string now = std::to_string(system_now().time_since_epoch() / kSecond);
  BOOST_REQUIRE(
      operator_tool.run({"client", "add", "a", "--role", "r", "--expires", "1s"}).status == 0);
  BOOST_REQUIRE(
      operator_tool.run({"client", "add", "b", "--role", "r", "--claim", "not_before=99999999999"})
          .status == 0);
  BOOST_REQUIRE(operator_tool
                    .run({"client", "add", "c", "--role", "r", "--expires", "1d", "--claim",
                          "not_before=" + now})
                    .status == 0);
  const auto standings = [&] {
    std::string all;
    for (const auto& line : lines_of(operator_tool.run({"client", "list", "--json"}).out)) {
      all += line["standing"].get<std::string>() + ",";
    }
    return all;
  };
  test::eventually("the first has ended", [&] { return standings() == "expired,not yet,valid,"; });
}

BOOST_AUTO_TEST_CASE(rotates_and_retires_keys) {
  const OperatorTool operator_tool;
  operator_tool.run({"client", "add", "a", "--role", "r"});
  expect_error(operator_tool.run({"key", "retire", "1"}), "still have a credential");
  BOOST_TEST(says(operator_tool.run({"key", "rotate"}).out, "key 2"));
  BOOST_TEST(nlohmann::json::parse(
                 operator_tool.run({"client", "add", "b", "--role", "r"}).out)["kid"] == 2);
  expect_error(operator_tool.run({"key", "retire", "1"}), "a");
  BOOST_TEST(nlohmann::json::parse(operator_tool.run({"client", "renew", "a"}).out)["kid"] == 2);
  BOOST_TEST(operator_tool.run({"key", "retire", "1"}).status == 0);
  expect_error(operator_tool.run({"key", "retire", "1"}), "no key 1");
  expect_error(operator_tool.run({"key", "retire", "2", "--force"}), "last key");
  const auto list = lines_of(operator_tool.run({"key", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 1U);
  BOOST_TEST(list[0]["kid"] == 2);
  BOOST_TEST(list[0]["clients"] == 2);
  std::filesystem::remove(operator_tool.home + "/keys/2.key");
  expect_error(operator_tool.run({"key", "list"}), "no master key");
  expect_error(operator_tool.run({"key", "rotate"}), "bring it back from a copy");
}

BOOST_AUTO_TEST_CASE(doctor_exits_1_if_something_is_broken) {
  const OperatorTool operator_tool;
  const RunResult healthy = operator_tool.run({"doctor"});
  BOOST_TEST(healthy.status == 0, healthy.err);
  BOOST_TEST(says(healthy.out, "ok      The database is intact."));
  for (const auto& line : lines_of(operator_tool.run({"doctor", "--json"}).out))
    BOOST_TEST(line.contains("finding"));
  chmod((operator_tool.home + "/gate").c_str(), 0666);
  const RunResult ill = operator_tool.run({"doctor"});
  BOOST_TEST(ill.status == 1);
  BOOST_TEST(says(ill.out, "BROKEN"));
}

// --- With a gateway ---

struct InstalledClient {
  NginxSite site;
  std::string state = site.folder / "state";
  std::string credential = site.credential("client1", site.url());

  RunResult tool(Arguments words, const std::string& input = "") const {
    words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
    return test::run(words, input);
  }
};

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
  BOOST_TEST(r.tool({"install", r.credential}).status == 0, "once more keeps what is there");
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
  const RunResult revoked = r.tool({"send", "--data", "left for a session that is gone"});
  BOOST_TEST(revoked.status == 3);
  BOOST_TEST(says(revoked.err, "revoked: "), revoked.err);
  const RunResult unsent = r.tool({"send", "--data", "never left"});
  BOOST_TEST(unsent.status == 1);
  BOOST_TEST(says(unsent.err, "revoked: "), unsent.err);
  BOOST_TEST(r.tool({"ping"}).status == 1);
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 2\n"), "no ping among them");
}

BOOST_AUTO_TEST_CASE(exit_status_5_says_that_the_handler_of_an_accepted_message_failed) {
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
  BOOST_REQUIRE(r.site.operate({"client", "renew", "client1", "--out", renewed}).status == 0);
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
  const RunResult restored = r.site.operate({"restore", file});
  BOOST_TEST(restored.status == 0, restored.err);
  const RunResult sent = r.tool({"send", "--data", "2"});
  BOOST_TEST(sent.status == 0, sent.err);
  BOOST_TEST(r.site.bodies() == "1\n2\n");
  expect_error(r.site.operate({"restore", r.site.folder / "absent"}), "there is no file");
  expect_usage_error(r.site.operate({"restore", ""}), "FILE is empty");
  expect_usage_error(r.site.operate({"backup", ""}), "FILE is empty");

  test::write_text(r.site.home.store_paths().database, "");
  const RunResult over = r.site.operate({"restore", file});
  BOOST_TEST(over.status == 0, over.err);
  BOOST_TEST(says(over.out, "kept as " + r.site.home.store_paths().database + ".damaged-"));
  BOOST_TEST(r.tool({"send", "--data", "3"}).status == 0);
  BOOST_TEST(r.site.bodies() == "1\n3\n");
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

// --- Installing ---

BOOST_AUTO_TEST_CASE(program_links_against_client_library) {
  NginxSite site;
  const std::string credential = site.credential("linked", site.url());
  test::write_text(site.folder / "main.cc", R"(
#include <sealpost/client.h>
#include <iostream>
int main(int, char** arguments) {
  sealpost::Client client({.state = arguments[2]});
  if (client.install(arguments[1]).kind != sealpost::Outcome::Kind::kAccepted) return 1;
  const sealpost::Outcome outcome = client.send("linked/topic", "from a program");
  std::cout << name_of(outcome.status) << std::endl;
  return outcome.kind == sealpost::Outcome::Kind::kAccepted ? 0 : 1;
})");
  Arguments compile = {"g++", "-std=c++20",         "-Iinclude",
                       "-o",  site.folder / "main", site.folder / "main.cc"};
  if (const char* sanitize = std::getenv("SEALPOST_SANITIZE");
      sanitize != nullptr && *sanitize != '\0') {
    compile.push_back(std::string("-fsanitize=") + sanitize);
  }
  compile.insert(compile.end(),
                 {test::program("../lib/libsealpost-client.a"), "-lcurl", "-lcrypto"});
  const RunResult built = test::run(compile);
  BOOST_REQUIRE(built.status == 0);
  const RunResult ran = test::run({site.folder / "main", credential, site.folder / "state"});
  BOOST_TEST(ran.status == 0, ran.err);
  BOOST_TEST(ran.out == "accepted\n");
  BOOST_TEST(site.bodies() == "from a program\n");
}

}  // namespace
}  // namespace sealpost
