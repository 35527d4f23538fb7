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
using test::Ran;
using test::TempDir;

using Words = std::vector<std::string>;

struct Desk {
  TempDir folder;
  std::string home = folder / "home";

  Desk() { BOOST_REQUIRE(run({"init", "--url", "http://127.0.0.1:1/gate"}).status == 0); }
  Ran run(Words words) const {
    words.insert(words.begin(), {test::program("sealpost"), "--home", home});
    return test::run(words);
  }
};

bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

void ends_with(int status, const Ran& ran, const std::string& word) {
  BOOST_TEST(ran.status == status, ran.err);
  BOOST_TEST(says(ran.err, word), ran.err);
  BOOST_TEST(ran.err.starts_with("sealpost"), ran.err);
  BOOST_TEST(ran.out.empty(), ran.out);
}
void refused(const Ran& ran, const std::string& word) { ends_with(1, ran, word); }
void misused(const Ran& ran, const std::string& word) { ends_with(2, ran, word); }

// A command line of the shell's.
Ran shell(const std::string& line) { return test::run({"/bin/sh", "-c", line}); }

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

BOOST_AUTO_TEST_CASE(every_program_says_its_version) {
  const std::string own = SEALPOST_VERSION;
  const Ran gateway = test::run({test::program("sealpost.fcgi"), "--version"});
  BOOST_TEST(gateway.status == 0);
  BOOST_TEST(says(gateway.out, "sealpost.fcgi " + own));
  BOOST_TEST(says(gateway.out, "OpenSSL 3"));
  BOOST_TEST(says(gateway.out, "SQLite 3"));
  BOOST_TEST(test::run({test::program("sealpost"), "--version"}).out == "sealpost " + own + "\n");
  BOOST_TEST(test::run({test::program("sealpost-client"), "--version"}).out ==
             "sealpost-client " + own + "\n");
}

BOOST_AUTO_TEST_CASE(usage_errors_are_2) {
  const Desk desk;
  for (const Words& words : {Words{},
                             {"fly"},
                             {"client"},
                             {"client", "add"},
                             {"client", "add", "a"},
                             {"client", "add", "a", "--role"},
                             {"inbox", "show"},
                             {"inbox", "show", "x"},
                             {"key", "retire", "256"},
                             {"session", "list", "--wings"}}) {
    BOOST_TEST(desk.run(words).status == 2, (words.empty() ? "nothing" : words.back()));
  }
  BOOST_TEST(test::run({test::program("sealpost-client")}).status == 2);
  BOOST_TEST(
      test::run({test::program("sealpost-client"), "send", "--data", "x", "--file", "y"}).status ==
      2);
  BOOST_TEST(test::run({test::program("sealpost.fcgi")}).status == 2);
  BOOST_TEST(test::run({test::program("sealpost.fcgi"), "--threads", "0"}).status == 2);
  BOOST_TEST(desk.run({"--help"}).status == 0);
  BOOST_TEST(says(desk.run({"--help"}).out, "Exit status: 0 done, 1 refused or failed, 2 usage"));
}

BOOST_AUTO_TEST_CASE(the_wrong_word_of_a_command_line_is_named) {
  const Desk desk;
  misused(desk.run({"fly"}), "no command or option fly");
  misused(desk.run({"client", "fly"}), "no command or option fly");
  misused(desk.run({"clinet", "list"}), "no command or option clinet");
  misused(desk.run({"session", "list", "--wings"}), "--wings");
  misused(desk.run({"--wings", "session"}), "--wings");
  misused(desk.run({"client"}), "subcommand is required");
  misused(test::run({test::program("sealpost-client"), "fly"}), "no command or option fly");
  misused(test::run({test::program("sealpost-client"), "ping", "--wings"}), "--wings");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_printed_is_not_passed_over) {
  const Desk desk;
  BOOST_REQUIRE(desk.run({"client", "add", "a", "--role", "r"}).status == 0);
  const std::string tool = test::program("sealpost") + " --home " + desk.home;
  for (const char* words : {" client list", " client list --json", " client add b --role r",
                            " doctor", " key rotate", " --help"}) {
    const Ran ran = shell(tool + words + " >/dev/full");
    BOOST_TEST(ran.status == 1, words);
    BOOST_TEST(says(ran.err, "could not be"), words);
  }
}

BOOST_AUTO_TEST_CASE(a_home_is_named_or_refused) {
  const Desk desk;
  const TempDir elsewhere;
  refused(test::run({test::program("sealpost"), "client", "list"}), "--home");
  refused(test::run(
              {test::program("sealpost"), "--home", elsewhere.path() + "/none", "client", "list"}),
          "sealpost init");
  refused(desk.run({"init"}), "home already");
  BOOST_TEST(desk.run({"init", "--url", "http://127.0.0.1:2/gate"}).status == 0,
             "the URL can be set again");
  chmod(desk.home.c_str(), 0755);
  refused(desk.run({"client", "list"}), "chmod 700");
  refused(test::run({test::program("sealpost"), "--home", test::program("sealpost"), "init"}),
          "is a file, not a folder");
}

BOOST_AUTO_TEST_CASE(another_users_home_is_refused_by_every_command) {
  if (geteuid() == 0) return;  // whose is it then?
  for (const Words& words : {Words{"init"},
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
    Words all = {test::program("sealpost"), "--home", "/usr"};
    all.insert(all.end(), words.begin(), words.end());
    refused(test::run(all), "/usr belongs to root: run as that user (sudo -u root sealpost ...)");
  }
  const Ran doctor = test::run({test::program("sealpost"), "--home", "/usr", "doctor"});
  BOOST_TEST(doctor.status == 1);
  BOOST_TEST(
      lines_of(test::run({test::program("sealpost"), "--home", "/usr", "doctor", "--json"}).out)
          .size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_url_is_one_that_a_client_can_post_to) {
  const Desk desk;
  for (const char* bad : {"your.host/gate", "ftp://host/", "http://", "https:///gate",
                          "http://a b/", "http://a\tb/"}) {
    misused(desk.run({"init", "--url", bad}), "is not http://HOST/... or https://HOST/...");
  }
  BOOST_TEST(desk.run({"init", "--url", "https://host:8443/gate?x"}).status == 0);
  BOOST_TEST(
      desk.run({"client", "add", "a", "--role", "r", "--out", desk.folder / "a.json"}).status == 0);
  std::string text = test::read_text(desk.folder / "a.json");
  text.replace(text.find("https:"), 6, "gopher:");
  test::write_text(desk.folder / "bad.json", text);
  refused(test::run({test::program("sealpost-client"), "--state", desk.folder / "state", "install",
                     desk.folder / "bad.json"}),
          "bad.json: this is not a sealpost credential: url is not http://HOST/...");
}

BOOST_AUTO_TEST_CASE(a_home_whose_keys_are_lost_is_not_made_anew) {
  const Desk desk;
  BOOST_REQUIRE(desk.run({"client", "add", "a", "--role", "r"}).status == 0);
  std::filesystem::remove_all(desk.home + "/keys");
  refused(desk.run({"init"}), "back from a copy");
  BOOST_TEST(!std::filesystem::exists(desk.home + "/keys"));
}

BOOST_AUTO_TEST_CASE(a_credential_is_printed_or_written_0600) {
  const Desk desk;
  const Ran printed = desk.run(
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

  const std::string file = desk.folder / "b.json";
  BOOST_TEST(desk.run({"client", "add", "b", "--role", "sensor", "--out", file}).status == 0);
  BOOST_TEST(mode_of(file) == 0600U);
  BOOST_TEST(nlohmann::json::parse(test::read_text(file))["name"] == "b");
  refused(desk.run({"client", "add", "c", "--role", "sensor", "--out", file}), "name a new file");
  refused(desk.run({"client", "show", "c"}), "no client c");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_issued_is_refused_in_a_sentence) {
  const Desk desk;
  BOOST_TEST(desk.run({"client", "add", "a", "--role", "r"}).status == 0);
  refused(desk.run({"client", "add", "a", "--role", "r"}), "renew");
  const auto wrong = [&](Words more, const char* word) {
    Words words = {"client", "add", "b", "--role", "r"};
    words.insert(words.end(), more.begin(), more.end());
    misused(desk.run(words), word);
  };
  misused(desk.run({"client", "add", ".x", "--role", "r"}), "first a letter or digit");
  misused(desk.run({"client", "add", "b", "--role", ""}), "role");
  misused(desk.run({"client", "renew", "a", "--role", ""}), "role");
  wrong({"--claim", "noequals"}, "KEY=VALUE");
  wrong({"--claim", "role=admin"}, "--role");
  wrong({"--claim", "Key=x"}, "key");
  wrong({"--claim", "a=b\tc"}, "control");
  wrong({"--claim", "a=b", "--claim", "a=c"}, "given twice");
  wrong({"--expires", "soon"}, "90d");
  wrong({"--expires", "1d", "--claim", "not_after=5"}, "not both");
  wrong({"--claim", "not_after=5"}, "has passed");
  wrong({"--expires", "1d", "--claim", "not_before=99999999999"}, "not earlier");
  refused(desk.run({"client", "renew", "b"}), "no client b");
  refused(desk.run({"client", "revoke", "b"}), "no client b");
  refused(desk.run({"client", "remove", "b"}), "no client b");
}

BOOST_AUTO_TEST_CASE(clients_are_listed_shown_renewed_revoked_and_removed) {
  const Desk desk;
  desk.run({"client", "add", "a", "--role", "sensor", "--claim", "site=x", "--expires", "1d"});
  desk.run({"client", "add", "b", "--role", "shop"});
  const auto renewed = nlohmann::json::parse(desk.run({"client", "renew", "a"}).out);
  BOOST_TEST(renewed["generation"] == 2);
  BOOST_TEST(renewed["claims"]["role"] == "sensor");
  BOOST_TEST(renewed["claims"]["site"] == "x");
  BOOST_TEST(!renewed["claims"].contains("not_after"), "times are given anew");
  const auto changed = nlohmann::json::parse(
      desk.run({"client", "renew", "a", "--role", "master", "--claim", "site=y"}).out);
  BOOST_TEST(changed["claims"]["role"] == "master");
  BOOST_TEST(changed["claims"]["site"] == "y");

  BOOST_TEST(desk.run({"client", "revoke", "b"}).status == 0);
  const auto list = lines_of(desk.run({"client", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 2U);
  BOOST_TEST(list[0]["name"] == "a");
  BOOST_TEST(list[0]["generation"] == 3);
  BOOST_TEST(list[0]["standing"] == "valid");
  BOOST_TEST(list[1]["standing"] == "revoked");
  BOOST_TEST(says(desk.run({"client", "list"}).out, "NAME"));
  BOOST_TEST(lines_of(desk.run({"client", "show", "a", "--json"}).out).at(0)["claims"]["role"] ==
             "master");
  BOOST_TEST(desk.run({"client", "remove", "b"}).status == 0);
  BOOST_TEST(lines_of(desk.run({"client", "list", "--json"}).out).size() == 1U);
  const auto again = nlohmann::json::parse(desk.run({"client", "add", "b", "--role", "shop"}).out);
  BOOST_TEST(again["generation"] == 4, "generations never go back");
}

BOOST_AUTO_TEST_CASE(a_client_stands_as_its_times_say) {
  const Desk desk;
  const std::string now = std::to_string(system_now().time_since_epoch() / kSecond);
  BOOST_REQUIRE(desk.run({"client", "add", "a", "--role", "r", "--expires", "1s"}).status == 0);
  BOOST_REQUIRE(
      desk.run({"client", "add", "b", "--role", "r", "--claim", "not_before=99999999999"}).status ==
      0);
  BOOST_REQUIRE(desk.run({"client", "add", "c", "--role", "r", "--expires", "1d", "--claim",
                          "not_before=" + now})
                    .status == 0);
  const auto standings = [&] {
    std::string all;
    for (const auto& line : lines_of(desk.run({"client", "list", "--json"}).out)) {
      all += line["standing"].get<std::string>() + ",";
    }
    return all;
  };
  test::eventually("the first has ended", [&] { return standings() == "expired,not yet,valid,"; });
}

BOOST_AUTO_TEST_CASE(keys_are_rotated_and_retired) {
  const Desk desk;
  desk.run({"client", "add", "a", "--role", "r"});
  refused(desk.run({"key", "retire", "1"}), "still hold a credential");
  BOOST_TEST(says(desk.run({"key", "rotate"}).out, "key 2"));
  BOOST_TEST(nlohmann::json::parse(desk.run({"client", "add", "b", "--role", "r"}).out)["kid"] ==
             2);
  refused(desk.run({"key", "retire", "1"}), "a");
  BOOST_TEST(nlohmann::json::parse(desk.run({"client", "renew", "a"}).out)["kid"] == 2);
  BOOST_TEST(desk.run({"key", "retire", "1"}).status == 0);
  refused(desk.run({"key", "retire", "1"}), "no key 1");
  refused(desk.run({"key", "retire", "2", "--force"}), "last key");
  const auto list = lines_of(desk.run({"key", "list", "--json"}).out);
  BOOST_REQUIRE(list.size() == 1U);
  BOOST_TEST(list[0]["kid"] == 2);
  BOOST_TEST(list[0]["clients"] == 2);
  std::filesystem::remove(desk.home + "/keys/2.key");
  refused(desk.run({"key", "list"}), "no master key");
  refused(desk.run({"key", "rotate"}), "bring it back from a copy");
}

BOOST_AUTO_TEST_CASE(the_doctor_is_1_where_something_is_broken) {
  const Desk desk;
  const Ran healthy = desk.run({"doctor"});
  BOOST_TEST(healthy.status == 0, healthy.err);
  BOOST_TEST(says(healthy.out, "ok      the database is whole"));
  for (const auto& line : lines_of(desk.run({"doctor", "--json"}).out))
    BOOST_TEST(line.contains("finding"));
  chmod((desk.home + "/gate").c_str(), 0666);
  const Ran ill = desk.run({"doctor"});
  BOOST_TEST(ill.status == 1);
  BOOST_TEST(says(ill.out, "BROKEN"));
}

// --- With a gateway ---

struct Running {
  NginxSite site;
  std::string state = site.folder / "state";
  std::string credential = site.credential("client1", site.url());

  Ran tool(Words words, const std::string& input = "") const {
    words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
    return test::run(words, input);
  }
};

BOOST_AUTO_TEST_CASE(a_client_installs_sends_and_asks_after_itself) {
  Running r;
  refused(r.tool({"send", "--data", "x"}), "install");
  const Ran installed = r.tool({"install", r.credential});
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
  const Ran status = r.tool({"status"});
  BOOST_TEST(says(status.out, "name: client1\n"));
  BOOST_TEST(says(status.out, "open messages: 0\n"));
  BOOST_TEST(says(status.out, "session: until 2"));
  BOOST_TEST(r.tool({"install", r.credential}).status == 0, "once more keeps what is there");
  refused(r.tool({"install", r.site.folder / "absent.json"}), "absent.json");
  refused(r.tool({"send", "--topic", "a b", "--data", "x"}), "topic");
}

BOOST_AUTO_TEST_CASE(queued_messages_wait_for_flush) {
  const Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  for (const char* body : {"1", "2", "3"})
    BOOST_TEST(r.tool({"send", "--queue", "--data", body}).status == 0);
  BOOST_TEST(r.site.bodies().empty());
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 3\n"));
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "1\n2\n3\n");
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 0\n"));
}

BOOST_AUTO_TEST_CASE(the_exit_status_says_what_became_of_a_message) {
  Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const Ran unprinted = shell("printf x | " + test::program("sealpost-client") + " --state " +
                              r.state + " send >/dev/full");
  BOOST_TEST(unprinted.status == 0, "the outcome's, whatever became of its reply");
  r.site.kill_gateways();
  const Ran open = r.tool({"send", "--data", "later"});
  BOOST_TEST(open.status == 3);
  BOOST_TEST(says(open.err, "502"), open.err);
  BOOST_TEST(says(open.err, "log"), open.err);
  r.site.start_gateways();
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "x\nlater\n");
  r.site.operate({"client", "revoke", "client1"});
  const Ran revoked = r.tool({"send", "--data", "left for a session that is gone"});
  BOOST_TEST(revoked.status == 3);
  BOOST_TEST(says(revoked.err, "revoked: "), revoked.err);
  const Ran unsent = r.tool({"send", "--data", "never left"});
  BOOST_TEST(unsent.status == 1);
  BOOST_TEST(says(unsent.err, "revoked: "), unsent.err);
  BOOST_TEST(r.tool({"ping"}).status == 1);
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 2\n"), "no ping among them");
}

BOOST_AUTO_TEST_CASE(another_credential_starts_empty_but_not_over_open_messages) {
  Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  const std::string other = r.site.credential("client2", r.site.url());
  BOOST_TEST(r.tool({"send", "--queue", "--data", "x"}).status == 0);
  refused(r.tool({"install", other}), "still open");
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.tool({"install", other}).status == 0);
  BOOST_TEST(says(r.tool({"status"}).out, "name: client2\n"));
}

BOOST_AUTO_TEST_CASE(a_renewed_credential_takes_over_what_has_never_left) {
  Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.site.kill_gateways();
  BOOST_TEST(r.tool({"send", "--topic", "left", "--data", "may have acted"}).status == 3);
  BOOST_TEST(r.tool({"send", "--queue", "--data", "waits"}).status == 0);
  r.site.start_gateways();
  const std::string renewed = r.site.folder / "renewed.json";
  r.site.home.set_url(r.site.url());
  BOOST_REQUIRE(r.site.operate({"client", "renew", "client1", "--out", renewed}).status == 0);
  const Ran revoked = r.tool({"flush"});
  BOOST_TEST(revoked.status == 3);
  BOOST_TEST(says(revoked.err, "revoked"), revoked.err);

  const Ran installed = r.tool({"install", renewed});
  BOOST_TEST(installed.status == 0, installed.err);
  BOOST_TEST(says(installed.err, "message 1 (left): unknown"), installed.err);
  BOOST_TEST(!says(installed.err, "waits"), installed.err);
  BOOST_TEST(says(r.tool({"status"}).out, "generation: 2\n"));
  BOOST_TEST(says(r.tool({"status"}).out, "open messages: 1\n"));
  BOOST_TEST(r.tool({"flush"}).status == 0);
  BOOST_TEST(r.site.bodies() == "waits\n");
  r.tool({"send", "--queue", "--data", "x"});
  refused(r.tool({"install", r.credential}), "still open");
}

BOOST_AUTO_TEST_CASE(the_client_says_what_was_wrong_with_what_it_was_given) {
  Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  refused(r.tool({"send", "--topic", "sealpost/x", "--data", "x"}), "sealpost/");
  refused(r.tool({"send", "--queue", "--topic", "sealpost/ping", "--data", "x"}), "sealpost/");
  refused(r.tool({"send", "--file", r.site.folder.path()}), "is a folder");
  test::write_text(r.site.folder / "rubbish", "x");
  refused(r.tool({"install", r.site.folder / "rubbish"}),
          "rubbish: this is not a sealpost credential");
  BOOST_TEST(r.site.bodies().empty());
  refused(shell("unset HOME XDG_STATE_HOME; " + test::program("sealpost-client") + " status"),
          "--state DIR or set HOME");
}

BOOST_AUTO_TEST_CASE(a_tampered_credential_is_found_out_at_installation) {
  const Running r;
  std::string text = test::read_text(r.credential);
  text.replace(text.find("\"sensor\""), 8, "\"operator\"");
  test::write_text(r.site.folder / "tampered.json", text);
  const Ran ran = r.tool({"install", r.site.folder / "tampered.json"});
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(says(ran.err, "forbidden"), ran.err);
}

BOOST_AUTO_TEST_CASE(the_operator_sees_messages_sessions_and_counts) {
  Running r;
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
  const Ran shown = r.site.operate({"inbox", "show", number});
  BOOST_TEST(shown.out.ends_with("\n\nhello"));
  BOOST_TEST(says(shown.out, "topic: text\n"));
  BOOST_TEST(says(r.site.operate({"inbox", "list"}).out, "TOPIC"));
  BOOST_TEST(r.site.operate({"inbox", "show", "999"}).status == 1);

  const auto sessions = lines_of(r.site.operate({"session", "list", "--json"}).out);
  BOOST_REQUIRE(sessions.size() == 1U);
  BOOST_TEST(sessions[0]["state"] == "active");
  misused(r.site.operate({"session", "end"}), "--all");
  refused(r.site.operate({"session", "end", "nobody"}), "no client nobody");
  BOOST_TEST(r.site.operate({"session", "end", "client1"}).out == "1 session(s) ended\n");
  BOOST_TEST(r.site.operate({"session", "end", "--all"}).out == "0 session(s) ended\n");
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
             "0 message(s) deleted, 0 emptied\n");
  BOOST_TEST(r.site.operate({"inbox", "prune", "--older", "0"}).status == 0);
  BOOST_TEST(r.site.operate({"inbox", "list", "--json"}).out.empty());
  BOOST_TEST(r.site.operate({"inbox", "prune", "--older", "x"}).status == 2);
}

BOOST_AUTO_TEST_CASE(follow_prints_messages_as_they_come) {
  Running r;
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

BOOST_AUTO_TEST_CASE(a_backup_is_restored_under_a_running_gateway_and_the_client_goes_on) {
  Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  r.tool({"send", "--data", "1"});
  const std::string file = r.site.folder / "backup.db";
  BOOST_TEST(r.site.operate({"backup", file}).status == 0);
  BOOST_TEST(r.site.operate({"backup", file}).status == 1);
  BOOST_TEST(mode_of(file) == 0600U);
  r.tool({"send", "--data", "lost with the restore"});
  const Ran restored = r.site.operate({"restore", file});
  BOOST_TEST(restored.status == 0, restored.err);
  const Ran sent = r.tool({"send", "--data", "2"});
  BOOST_TEST(sent.status == 0, sent.err);
  BOOST_TEST(r.site.bodies() == "1\n2\n");
  refused(r.site.operate({"restore", r.site.folder / "absent"}), "there is no file");
  misused(r.site.operate({"restore", ""}), "FILE is empty");
  misused(r.site.operate({"backup", ""}), "FILE is empty");

  test::write_text(r.site.home.store_paths().database, "");
  const Ran over = r.site.operate({"restore", file});
  BOOST_TEST(over.status == 0, over.err);
  BOOST_TEST(says(over.out, "kept as " + r.site.home.store_paths().database + ".damaged-"));
  BOOST_TEST(r.tool({"send", "--data", "3"}).status == 0);
  BOOST_TEST(r.site.bodies() == "1\n3\n");
}

BOOST_AUTO_TEST_CASE(two_processes_of_one_client_take_turns) {
  const Running r;
  BOOST_REQUIRE(r.tool({"install", r.credential}).status == 0);
  std::vector<test::Process> senders;
  for (int i = 0; i < 6; ++i) {
    senders.emplace_back(Words{test::program("sealpost-client"), "--state", r.state, "send",
                               "--data", std::to_string(i)},
                         r.site.folder / "senders");
  }
  for (test::Process& sender : senders)
    BOOST_TEST(sender.wait(std::chrono::seconds(30)).value_or(-1) == 0);
  BOOST_TEST(r.site.inbox().size() == 6U);
}

BOOST_AUTO_TEST_CASE(a_client_killed_at_any_moment_delivers_exactly_once) {
  Running r;
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

BOOST_AUTO_TEST_CASE(another_program_links_against_the_client_library) {
  NginxSite site;
  const std::string credential = site.credential("linked", site.url());
  test::write_text(site.folder / "main.cc", R"(
#include <sealpost/client.h>
#include <iostream>
int main(int, char** arguments) {
  sealpost::Client client({.state = arguments[2]});
  if (client.install(arguments[1]).kind != sealpost::Outcome::Kind::kAccepted) return 1;
  const sealpost::Outcome outcome = client.send("linked/topic", "from a program");
  std::cout << outcome.status << std::endl;
  return outcome.kind == sealpost::Outcome::Kind::kAccepted ? 0 : 1;
})");
  Words compile = {"g++", "-std=c++20",         "-Iinclude",
                   "-o",  site.folder / "main", site.folder / "main.cc"};
  if (const char* sanitize = std::getenv("SEALPOST_SANITIZE");
      sanitize != nullptr && *sanitize != '\0') {
    compile.push_back(std::string("-fsanitize=") + sanitize);
  }
  compile.insert(compile.end(),
                 {test::program("../lib/libsealpost-client.a"), "-lcurl", "-lcrypto"});
  const Ran built = test::run(compile);
  BOOST_REQUIRE(built.status == 0);
  const Ran ran = test::run({site.folder / "main", credential, site.folder / "state"});
  BOOST_TEST(ran.status == 0, ran.err);
  BOOST_TEST(ran.out == "accepted\n");
  BOOST_TEST(site.bodies() == "from a program\n");
}

}  // namespace
}  // namespace sealpost
