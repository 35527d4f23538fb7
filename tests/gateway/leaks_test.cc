// What a stranger, a log or a core could be told: nothing.
#define BOOST_TEST_MODULE leaks
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>
#include <regex>

#include "base/encoding.h"
#include "client/outbox.h"
#include "support/apache_site.h"
#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

using test::eventually;
using test::NginxSite;
using test::Peer;
using test::Process;
using test::read_text;
using test::RunResult;
using test::Site;

const std::string kForm = "Content-Type: application/x-www-form-urlencoded";

// --- One answer for all strangers ---

// The form of a handshake that a stranger, or this client's double, would send; nothing is sent.
std::string hello(const Peer& as, const std::function<void(Credential&)>& change = {}) {
  Peer double_of(Credential::parse(as.credential.json()),
                 [](const std::string&) -> test::Reply { return {}; });
  if (change) change(double_of.credential);
  return double_of.handshake().form;
}

// The form with one bit of its sealed message changed, counted from the front or, below 0, the end.
std::string changed(const std::string& form, std::ptrdiff_t at) {
  Envelope envelope = *Envelope::parse(form);
  Bytes& message = envelope.message;
  message[static_cast<std::size_t>(at < 0 ? static_cast<std::ptrdiff_t>(message.size()) + at
                                          : at)] ^= 1;
  return envelope.form();
}

struct UnauthenticatedRequest {
  const char* who;
  std::string form;
};

std::vector<UnauthenticatedRequest> unauthenticated_requests(Site& site) {
  Peer peer = site.client("client1");
  BOOST_REQUIRE(peer.handshake().status == "accepted");
  BOOST_REQUIRE(peer.send().status == "accepted");
  Peer waiting = site.client("client2");
  const std::string replayed = waiting.handshake().form;
  const Credential& other = waiting.credential;
  const std::string record = peer.seal(peer.message()).form();
  Peer named(Credential::parse(other.json()), site.wire());
  named.session = peer.session;
  named.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
  named.name_in_clear = true;
  return {
      {"an unknown name", hello(peer, [](Credential& c) { c.name = "client9"; })},
      {"a known name with a wrong key",
       hello(peer, [](Credential& c) { c.client_key.fill()[0] ^= 1; })},
      {"a known name with a wrong tag", changed(hello(peer), -1)},
      {"a known name with a wrong first block", changed(hello(peer), 38)},
      {"a generation that was never issued", hello(peer, [](Credential& c) { c.generation = 9; })},
      {"an unknown kid", hello(peer, [](Credential& c) { c.kid = 9; })},
      {"another server's client", hello(peer, [](Credential& c) { c.server_id.bytes[0] ^= 1; })},
      {"a name that is none", hello(peer, [](Credential& c) { c.name = ".client"; })},
      {"a replayed handshake", replayed},
      {"a handshake without a name", hello(peer).substr(sizeof "name=client1&" - 1)},
      {"a first byte of no kind", changed(hello(peer), 0)},
      {"one byte", "encrypted_message=EQ"},
      {"an unknown session", changed(record, 1)},
      {"a known session with a wrong tag", changed(record, -1)},
      {"a known session with a wrong counter", changed(record, 24)},
      {"a counter past 2^63",
       [&] {
         Envelope past = *Envelope::parse(record);
         past.message[17] ^= 0x80;
         return past.form();
       }()},
      {"another's name over a record", named.seal(peer.message()).form()},
      {"a record with a name that was not sealed in", "name=client1&" + record},
      {"a record cut short", "encrypted_message=" + base64url(Bytes(40, 0x12))},
  };
}

// Without what is not the gateway's: the date; and Apache's way to end a body, because since 2.4.59
// it does not believe the length that a CGI program says, and says one itself where the program's
// end happened to come along with its answer.
std::string without_chance(const std::string& head) {
  static const std::regex kChance("(Date|Content-Length|Transfer-Encoding): [^\r]*\r\n");
  return std::regex_replace(head, kChance, "");
}

// Sends them all, and compares what they hear; gives it back.
std::string heard_by_all(Site& site, const std::function<std::string(const std::string&)>& send) {
  std::map<std::string, std::string> heard;  // and by whom first
  for (const auto& [who, form] : unauthenticated_requests(site)) heard.try_emplace(send(form), who);
  for (const auto& [answer, who] : heard) BOOST_TEST(heard.size() == 1U, who << ": " << answer);
  return heard.begin()->first;
}

std::function<std::string(const std::string&)> by_http(const Site& site) {
  return [&site](const std::string& form) {
    const test::HttpReply reply = test::http(site.url(), "POST", {kForm}, form);
    return without_chance(reply.head) + reply.body;
  };
}

BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_through_nginx) {
  for (const bool keep : {false, true}) {
    NginxSite site({.keep = keep});
    BOOST_TEST(heard_by_all(site, by_http(site)).starts_with("HTTP/1.1 403 "));
  }
}

BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_from_cgi) {
  test::ApacheSite site("cgi.htaccess");
  BOOST_TEST(heard_by_all(site, by_http(site)).starts_with("HTTP/1.1 403 "));
}

// As the gateway says it, with no web server that could even things out.
BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_over_fastcgi) {
  NginxSite site;
  const std::string heard = heard_by_all(site, [&](const std::string& form) {
    test::FastcgiPeer server(site.socket());
    server.request(form, false, {{"SEALPOST_HOME", site.home.root()}});
    return server.read().text;
  });
  BOOST_TEST(heard ==
             "Status: 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n"
             "Cache-Control: no-store\r\n\r\nrefused\n");
}

// --- Core dumps ---

std::string core_limit(const std::string& limits) {
  std::smatch found;
  return std::regex_search(limits, found, std::regex("Max core file size +(\\S+)")) ? found.str(1)
                                                                                    : "?";
}

struct CoreDumpFolder {
  test::TempDir folder;
  // A program of ours, where cores would be written as far as the kernel is set so.
  [[nodiscard]] Process start(const std::vector<std::string>& words) const {
    rlimit most{};
    getrlimit(RLIMIT_CORE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_CORE, &most);
    std::vector<std::string> all = {"/usr/bin/env", "-C", folder / "cores"};
    all.insert(all.end(), words.begin(), words.end());
    return Process(all, folder / "out");
  }
  CoreDumpFolder() { fs::create_directory(folder / "cores"); }
  [[nodiscard]] bool no_core() const { return fs::is_empty(folder / "cores"); }
};

// Whether it can be attached to, or dumped: what cannot belongs to root in /proc.
bool is_dumpable(pid_t id) {
  return access(("/proc/" + std::to_string(id) + "/environ").c_str(), R_OK) == 0;
}

BOOST_AUTO_TEST_CASE(gateway_writes_no_core) {
  const char* sanitizer = std::getenv("SEALPOST_SANITIZE");
  const bool plain =
      sanitizer == nullptr || *sanitizer == '\0';  // a sanitizer reports SIGSEGV itself
  for (const int signal : {SIGABRT, plain ? SIGSEGV : SIGQUIT}) {
    CoreDumpFolder d;
    Process gateway = d.start({"/usr/bin/spawn-fcgi", "-n", "-s", d.folder / "socket", "--",
                               test::program("sealpost.fcgi")});
    eventually("it has turned them off", [&] {
      return core_limit(read_text("/proc/" + std::to_string(gateway.id()) + "/limits")) == "0";
    });
    eventually("it cannot be looked into", [&] { return !is_dumpable(gateway.id()); });
    gateway.signal(signal);
    BOOST_TEST(gateway.wait(std::chrono::seconds(5)).value_or(0) == -signal);
    BOOST_TEST(d.no_core());
  }
}

BOOST_AUTO_TEST_CASE(control_program_writes_a_core) {
  CoreDumpFolder d;
  Process other = d.start({"/bin/sleep", "60"});
  eventually("it sleeps", [&] {
    return read_text("/proc/" + std::to_string(other.id()) + "/comm") == "sleep\n";
  });
  BOOST_TEST(is_dumpable(other.id()), "so the test above can tell");
  other.signal(SIGSEGV);
  BOOST_TEST(other.wait(std::chrono::seconds(5)).value_or(0) == -SIGSEGV);
  rlimit limit{};
  getrlimit(RLIMIT_CORE, &limit);
  // Else they go elsewhere, and only what /proc says can be told.
  const std::string pattern = read_text("/proc/sys/kernel/core_pattern");
  const bool here = pattern.find_first_of("|/") == std::string::npos && limit.rlim_max > 0;
  BOOST_TEST(d.no_core() == !here);
}

BOOST_AUTO_TEST_CASE(tools_write_no_core) {
  NginxSite site;
  CoreDumpFolder d;
  const std::string state = d.folder / "state";
  const std::string file = site.credential("client1", site.url());
  BOOST_REQUIRE(
      test::run({test::program("sealpost-client"), "--state", state, "install", file}).status == 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{test::program("sealpost"), "--home", site.home.root(), "inbox",
                                 "follow"},
        {test::program("sealpost-client"), "--state", state, "ping"}}) {
    if (words.back() == "ping") site.kill_gateways();  // it tries for a while
    Process tool = d.start(words);
    eventually(words[0] + " has turned them off", [&] {
      return core_limit(read_text("/proc/" + std::to_string(tool.id()) + "/limits")) == "0" &&
             !is_dumpable(tool.id());
    });
    tool.signal(SIGABRT);
    BOOST_TEST(tool.wait(std::chrono::seconds(5)).value_or(0) == -SIGABRT, words[0]);
    BOOST_TEST(d.no_core(), words[0]);
  }
}

// --- Logs and output ---

// Every way that bytes may come to be written as text.
std::vector<std::string> forms_of(ByteView secret) {
  std::string upper = hex(secret);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string standard = base64url(secret);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  // A half will do: a key that is cut, or stands in the middle of a longer base64 text, is told all
  // the same.  From three bytes on base64 is the same wherever it begins at a multiple of three.
  const ByteView half = secret.subspan(3, 12);
  return {std::string(text_of(secret)),
          std::string(text_of(half)),
          hex(secret),
          hex(half),
          upper,
          base64url(secret),
          standard,
          base64url(half)};
}

struct Secrets {
  std::map<std::string, std::vector<std::string>> texts;

  void add(const std::string& what, ByteView secret) { texts[what] = forms_of(secret); }
  void expect_none_in(const std::string& where, const std::string& text) const {
    for (const auto& [what, forms] : texts) {
      for (const std::string& form : forms) {
        BOOST_TEST(text.find(form) == std::string::npos, what << " is in " << where);
      }
    }
  }
  [[nodiscard]] bool any_in(const std::string& text) const {
    return std::any_of(texts.begin(), texts.end(), [&](const auto& one) {
      return std::any_of(one.second.begin(), one.second.end(), [&](const std::string& form) {
        return text.find(form) != std::string::npos;
      });
    });
  }
};

BOOST_AUTO_TEST_CASE(logs_and_output_contain_no_secret) {
  NginxSite site;
  site.routes("run - exec " + site.script("run", "env; cat; echo oops >&2; exit 7") +
              "\n* - inbox\n");
  Secrets secrets;
  const std::string key_file = read_text(site.home.keys_folder() + "/1.key");
  secrets.add("the master key", *from_base64url(key_file.substr(0, 43)));
  const std::string state = site.folder / "state";
  std::string said;  // by the tools
  const auto note = [&](const RunResult& ran) { said += ran.out + ran.err; };
  const auto client = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
    note(test::run(words));
  };
  const auto operate = [&](const std::vector<std::string>& words) { note(site.operate(words)); };
  const auto know_session = [&](const std::string& what) {
    const ClientState now = Outbox(state).state();
    BOOST_REQUIRE(now.session.has_value());
    secrets.add(what + ", to the server", now.session->keys.c2s.reveal());
    secrets.add(what + ", to the client", now.session->keys.s2c.reveal());
  };

  // What goes well.
  const std::string file = site.credential("sensor7", site.url());
  const Credential credential = Credential::parse(read_text(file));
  secrets.add("the client key", credential.client_key.reveal());
  secrets.add("the pre-shared key", psk_of(credential.client_key).reveal());
  secrets.add("the receipt key", site.home.keyring().receipt_key(1).reveal());
  client({"install", file});
  client({"send", "--topic", "t", "--data", "hello"});
  know_session("the first session's key");
  client({"send", "--topic", "run", "--data", "hello"});
  client({"ping"});
  client({"status"});
  // What goes wrong: strangers, a takeover, a revocation, a damaged home, nonsense on the command
  // line.
  (void)heard_by_all(site, by_http(site));
  Peer thief(Credential::parse(read_text(file)), site.wire());
  (void)thief.handshake();
  (void)thief.send();
  secrets.add("the thief's session key", thief.keys->c2s.reveal());
  client({"send", "--topic", "t", "--data", "again"});
  know_session("the second session's key");
  client({"install", site.home.keys_folder() + "/1.key"});
  client({"install", site.folder / "state/state"});
  operate({"key", "rotate"});
  operate({"key", "list"});
  operate({"session", "list"});
  operate({"inbox", "list"});
  operate({"stats"});
  operate({"doctor"});
  operate({"backup", site.folder / "backup"});
  operate({"client", "list"});
  operate({"client", "show", "sensor7"});
  operate({"client", "revoke", "sensor7"});
  client({"send", "--topic", "t", "--data", "revoked"});
  test::write_text(site.home.keys_folder() + "/1.key", key_file.substr(0, 42) + "!\n");
  operate({"doctor"});
  (void)test::post_form(site.url(), "encrypted_message=EQ");
  test::write_text(site.home.keys_folder() + "/1.key", key_file);

  BOOST_TEST(secrets.any_in(read_text(file)), "the search finds what is there");
  BOOST_TEST(said.size() > 500U);
  BOOST_TEST(site.log().size() > 2000U);
  secrets.expect_none_in("the gateway's log", site.log());
  secrets.expect_none_in("the tools' output", said);
  for (const char* log : {"nginx.log", "nginx.out"}) {
    secrets.expect_none_in(log, read_text(site.folder / log));
  }
}

// Under CGI what a program writes to stderr lands in the web server's log.
BOOST_AUTO_TEST_CASE(web_server_logs_contain_no_secret) {
  test::ApacheSite site("cgi.htaccess");
  Secrets secrets;
  const std::string key_file = read_text(site.home.keys_folder() + "/1.key");
  secrets.add("the master key", *from_base64url(key_file.substr(0, 43)));
  Peer peer = site.client("sensor7");
  secrets.add("the client key", peer.credential.client_key.reveal());
  BOOST_REQUIRE(peer.handshake().status == "accepted");
  BOOST_TEST(peer.send().status == "accepted");
  secrets.add("the session's key, to the server", peer.keys->c2s.reveal());
  secrets.add("the session's key, to the client", peer.keys->s2c.reveal());
  (void)heard_by_all(site, by_http(site));
  fs::permissions(site.home.root(), fs::perms::owner_all | fs::perms::group_read);
  BOOST_TEST(peer.send().reply.status == 503, "the home is open to others");
  fs::permissions(site.home.root(), fs::perms::owner_all);
  test::write_text(site.home.keys_folder() + "/1.key", key_file.substr(0, 42) + "!\n");
  BOOST_TEST(peer.send().reply.status == 503, "the key cannot be read");
  BOOST_TEST(site.log().size() > 1000U);
  secrets.expect_none_in("the gateway's log", site.log());
  secrets.expect_none_in("Apache's log", site.error_log());
}

}  // namespace
}  // namespace sealpost
