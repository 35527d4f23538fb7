// The table of requests of support/server_setups.h.
#include <boost/test/unit_test.hpp>
#include <set>

#include "support/server_setups.h"

namespace sealpost::test {
namespace {

const std::string kForm = "Content-Type: application/x-www-form-urlencoded";

struct Row {
  const char* what;
  const char* method;
  std::vector<std::string> headers;
  std::string body;
  int status;
  const char* reply;  // the gateway's; empty: the server answers, and does not ask it
};

std::vector<Row> table(const ServerSetup& setup) {
  const std::string most(setup.max_body, 'x');
  return {
      {"GET", "GET", {}, "", 403, ""},
      {"PUT", "PUT", {kForm}, "x", 403, ""},
      {"DELETE", "DELETE", {}, "", 403, ""},
      {"OPTIONS", "OPTIONS", {}, "", 403, ""},
      {"a POST of nothing", "POST", {kForm}, "", 400, "form\n"},
      {"a POST of garbage", "POST", {kForm}, "x", 400, "form\n"},
      {"unauthenticated", "POST", {kForm}, "encrypted_message=EQE", 403, "refused\n"},
      {"another type", "POST", {"Content-Type: text/plain"}, "x", 415, "type\n"},
      {"no type", "POST", {"Content-Type:"}, "x", 415, "type\n"},
      {"compressed", "POST", {kForm, "Content-Encoding: gzip"}, "x", 415, "type\n"},
      {"as large as may be", "POST", {kForm}, most, 400, "form\n"},
      {"a byte larger",
       "POST",
       {kForm},
       most + "x",
       setup.status_if_larger,
       setup.gateway_rejects_larger ? "too large\n" : ""},
  };
}

// How many requests the gateway has seen.
std::size_t lines_of_log(const Site& site) {
  const std::string log = site.log();
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = log.find("\"outcome\":", at)) != std::string::npos; ++at) ++lines;
  return lines;
}

void plain_requests(Site& site, const ServerSetup& setup) {
  const std::size_t before = lines_of_log(site);
  std::size_t most = before;
  std::set<std::string> reasons;  // rejections with the same reason may share a line
  for (const Row& row : table(setup)) {
    BOOST_TEST_CONTEXT(row.what) {
      const HttpReply reply = http(site.url(), row.method, row.headers, row.body);
      BOOST_TEST(reply.status == row.status);
      if (*row.reply == '\0') continue;
      ++most;
      reasons.insert(row.reply);
      BOOST_TEST(reply.body == row.reply);
      BOOST_TEST(reply.head.find("Cache-Control: no-store") != std::string::npos);
    }
  }
  eventually("the log has a line for each reason",
             [&] { return lines_of_log(site) >= before + reasons.size(); });
  BOOST_TEST(lines_of_log(site) <= most, "the server asks the gateway for nothing else");
}

void messages(Site& site) {
  Peer peer = site.client();
  BOOST_TEST(peer.handshake().status == "accepted");
  const RoundTrip sent = peer.send("hello", "telemetry/room");
  BOOST_TEST(sent.status == "accepted");
  BOOST_TEST(sent.reply.status == 200);
  BOOST_TEST(sent.reply.type == "application/octet-stream");
  BOOST_TEST(post_form(site.url(), sent.form).status == 409, "the same again");
  BOOST_TEST(site.bodies() == "hello\n");

  const auto with = [&](const std::vector<std::string>& headers, const std::string& query = "") {
    return [&site, headers, query](const std::string& form) -> Reply {
      const HttpReply reply = http(site.url() + query, "POST", headers, form);
      return {reply.status, "", reply.body};
    };
  };
  peer.wire = with({kForm, "Transfer-Encoding: chunked"});
  BOOST_TEST(peer.send("in pieces").status == "accepted");

  const Home other(site.folder / "other-home");
  other.create(system_now());
  for (const std::string name : {"Sealpost-Home", "SEALPOST_HOME", "Redirect-Sealpost-Home",
                                 "Ssl-Sealpost-Home", "Http-Sealpost-Home"}) {
    peer.wire = with({kForm, name + ": " + other.root()});
    BOOST_TEST(peer.send(name).status == "accepted", "a header " << name << " chooses nothing");
  }
  for (const std::string query : {"?--home+", "?SEALPOST_HOME="}) {
    peer.wire = with({kForm}, query + other.root());
    BOOST_TEST(peer.send(query).status == "accepted", "a query " << query << " chooses nothing");
  }
  BOOST_TEST(site.inbox().size() == 9U);
}

void nothing_else_is_served(Site& site) {
  const std::string base = site.url().substr(0, site.url().rfind('/') + 1);
  for (const char* name : {"", ".htaccess", "notes.txt", "home/sealpost.db", "../home/sealpost.db",
                           "%2e%2e/home/sealpost.db", "sealpost.fcgi/../notes.txt"}) {
    for (const char* method : {"GET", "POST"}) {
      const HttpReply reply = http(base + name, method, {kForm}, "");
      BOOST_TEST((reply.status >= 400 && reply.status < 500),
                 method << " " << name << ": " << reply.status);
      for (const char* secret : {"private", "SEALPOST_HOME", "SQLite"}) {
        BOOST_TEST(reply.body.find(secret) == std::string::npos, method << " " << name);
      }
    }
  }
}

}  // namespace

void expect_the_same_answers(Site& site, const ServerSetup& setup) {
  plain_requests(site, setup);
  messages(site);
  nothing_else_is_served(site);
}

}  // namespace sealpost::test
