// Logs and the tools' output contain no secret.
#define BOOST_TEST_MODULE log_secrets
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>

#include "base/encoding.h"
#include "client/outbox.h"
#include "support/apache_site.h"
#include "support/site.h"
#include "support/unauthenticated_requests.h"

namespace sealpost {
namespace {

using test::by_http;
using test::heard_by_all;
using test::NginxSite;
using test::Peer;
using test::read_text;
using test::RunResult;
namespace fs = std::filesystem;

// Every text form in which bytes may be written.
std::vector<std::string> forms_of(ByteView secret) {
  std::string upper = hex(secret);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string standard = base64url(secret);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  // Half of a secret is searched for as well, because a key may be cut or stand inside a longer
  // base64 text. base64 text is the same wherever it begins at a multiple of three bytes.
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

  // What succeeds.
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
  // What fails: unauthenticated requests, a takeover, a revocation, a damaged home, wrong command
  // lines.
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

// Under CGI a program's stderr goes to the web server's log.
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
