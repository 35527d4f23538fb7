// The operator's tool: usage, home, clients and keys.
#define BOOST_TEST_MODULE operator_tool
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "support/print.h"
#include "support/site.h"
#include "support/tools.h"

namespace sealpost {
namespace {

using test::expect_error;
using test::expect_usage_error;
using test::lines_of;
using test::mode_of;
using test::OperatorTool;
using test::RunResult;
using test::says;
using test::TempDir;
using Arguments = std::vector<std::string>;

// Runs a command line with the shell.
RunResult shell(const std::string& line) { return test::run({"/bin/sh", "-c", line}); }

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
               "is a file, not a directory");
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
                 "/usr belongs to root. Run this command as that user: sudo -u root sealpost ...");
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
  expect_error(operator_tool.run({"init"}), "from a copy");
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
  const auto end_of = [](const nlohmann::json& credential) {
    return std::stoll(credential["claims"]["not_after"].get<std::string>());
  };
  const auto days_left = [&](const nlohmann::json& credential) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now().time_since_epoch());
    return static_cast<double>(end_of(credential) - now.count()) / 86'400;
  };
  BOOST_TEST(days_left(renewed) > 0.99, "as long after its issue as the old one");
  BOOST_TEST(days_left(renewed) <= 1.0);
  const auto longer =
      nlohmann::json::parse(operator_tool.run({"client", "renew", "a", "--expires", "3d"}).out);
  BOOST_TEST(days_left(longer) > 2.99);
  const auto changed = nlohmann::json::parse(
      operator_tool.run({"client", "renew", "a", "--role", "master", "--claim", "site=y"}).out);
  BOOST_TEST(changed["claims"]["role"] == "master");
  BOOST_TEST(changed["claims"]["site"] == "y");

  BOOST_TEST(operator_tool.run({"client", "revoke", "b"}).status == 0);
  const auto list = lines_of(operator_tool.run({"client", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 2U);
  BOOST_TEST(list[0]["name"] == "a");
  BOOST_TEST(list[0]["generation"] == 4);
  BOOST_TEST(list[0]["standing"] == "valid");
  BOOST_TEST(list[0]["former"]["generation"] == 1, "the one that the client may use");
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

BOOST_AUTO_TEST_CASE(renewal_says_what_it_did_and_list_shows_former) {
  const OperatorTool operator_tool;
  operator_tool.run({"client", "add", "a", "--role", "r"});
  const RunResult renewed = operator_tool.run({"client", "renew", "a"});
  BOOST_TEST(says(renewed.err, "The client a is renewed: generation 2, without an end."));
  BOOST_TEST(says(renewed.err, "Generation 1 stays valid until the client uses the new one"));
  const char* former = "still speaks under its former credential, which ends on ";
  BOOST_TEST(says(operator_tool.run({"client", "list"}).out, former));
  BOOST_TEST(says(operator_tool.run({"client", "show", "a"}).out, former));
  BOOST_TEST(says(operator_tool.run({"doctor"}).out, former));
  const RunResult at_once = operator_tool.run({"client", "renew", "a", "--grace", "0"});
  BOOST_TEST(says(at_once.err, "Its former credentials are no longer valid."));
  BOOST_TEST(!says(operator_tool.run({"client", "list"}).out, former));
  expect_usage_error(operator_tool.run({"client", "renew", "a", "--grace", "soon"}), "--grace");
}

BOOST_AUTO_TEST_CASE(lists_clients_of_retired_key_as_without_key) {
  const OperatorTool operator_tool;
  operator_tool.run({"client", "add", "a", "--role", "r"});
  operator_tool.run({"key", "rotate"});
  operator_tool.run({"client", "add", "b", "--role", "r"});
  BOOST_TEST(operator_tool.run({"key", "retire", "1", "--force"}).status == 0);
  const auto list = lines_of(operator_tool.run({"client", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 2U);
  BOOST_TEST(list[0]["standing"] == "no key");
  BOOST_TEST(list[1]["standing"] == "valid");
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
  expect_error(operator_tool.run({"key", "retire", "1"}), "still have a credential");
  BOOST_TEST(operator_tool.run({"client", "renew", "a", "--grace", "0"}).status == 0);
  BOOST_TEST(operator_tool.run({"key", "retire", "1"}).status == 0);
  expect_error(operator_tool.run({"key", "retire", "1"}), "no key 1");
  expect_error(operator_tool.run({"key", "retire", "2", "--force"}), "last key");
  const auto list = lines_of(operator_tool.run({"key", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 1U);
  BOOST_TEST(list[0]["kid"] == 2);
  BOOST_TEST(list[0]["clients"] == 2);
  std::filesystem::remove(operator_tool.home + "/keys/2.key");
  expect_error(operator_tool.run({"key", "list"}), "no master key");
  expect_error(operator_tool.run({"key", "rotate"}), "Restore it from a copy");
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

}  // namespace
}  // namespace sealpost
