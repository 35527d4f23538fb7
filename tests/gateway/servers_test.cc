// The same requests through real web servers, with the same answers.
#define BOOST_TEST_MODULE servers
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "store/clients.h"
#include "support/apache_site.h"
#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::http;
using test::HttpReply;
using test::Peer;
using test::Site;

const std::string kForm = "Content-Type: application/x-www-form-urlencoded";

bool has(const HttpReply& reply, const std::string& line) {
  return reply.head.find(line) != std::string::npos;
}

void the_whole_way(Site& site) {
  for (const bool clear : {false, true}) {
    Peer peer = site.client(clear ? "clear" : "sealed");
    peer.name_in_clear = peer.hmac_in_clear = clear;
    BOOST_TEST(peer.handshake().status == "accepted");
    const test::RoundTrip sent = peer.send("hello", "telemetry/room");
    BOOST_TEST(sent.status == "accepted");
    BOOST_TEST(sent.reply.status == 200);
    BOOST_TEST(sent.reply.type == "application/octet-stream");
    const test::Reply again = test::post_form(site.url(), sent.form);
    BOOST_TEST(again.status == 409);
  }
  BOOST_TEST(site.bodies() == "hello\nhello\n");
}

void plain_answers(Site& site) {
  const auto is = [&](const HttpReply& reply, int status, const std::string& body,
                      const char* why) {
    BOOST_TEST(reply.status == status, why);
    BOOST_TEST(reply.body == body, why);
    BOOST_TEST(has(reply, "Cache-Control: no-store"), why);
    BOOST_TEST(has(reply, "Content-Type: text/plain"), why);
  };
  const HttpReply get = http(site.url(), "GET", {}, "");
  if (dynamic_cast<test::ApacheSite*>(&site) != nullptr) {
    BOOST_TEST(get.status == 403, "the .htaccess files let nothing but POST through");
  } else {
    is(get, 405, "post only\n", "GET");
    BOOST_TEST(has(get, "Allow: POST"));
    is(http(site.url(), "PUT", {kForm}, "x"), 405, "post only\n", "PUT");
  }
  is(http(site.url(), "POST", {"Content-Type: text/plain"}, "x"), 415, "type\n", "text/plain");
  is(http(site.url(), "POST", {"Content-Type:"}, "x"), 415, "type\n", "no type");
  is(http(site.url(), "POST", {kForm, "Content-Encoding: gzip"}, "x"), 415, "type\n", "gzip");
  is(http(site.url(), "POST", {kForm, "Content-Encoding: identity"}, "x"), 415, "type\n",
     "identity");
  is(http(site.url(), "POST", {kForm}, "x"), 400, "form\n", "no form");
  is(http(site.url(), "POST", {kForm}, ""), 400, "form\n", "nothing");
  is(http(site.url(), "POST", {kForm}, std::string((1 << 20) + 1, 'x')), 413, "too large\n",
     "1 MiB and a byte");
  is(http(site.url(), "POST", {kForm}, std::string(1 << 20, 'x')), 400, "form\n", "1 MiB");
  is(http(site.url(), "POST", {"Content-Type: Application/X-WWW-Form-Urlencoded; charset=x"},
          "encrypted_message=EQE"),
     403, "refused\n", "an unauthenticated request");
}

// As large as it may be: the seal and base64url take their part of 1 MiB.
void large_bodies(Site& site) {
  Peer peer = site.client("large");
  peer.handshake();
  const std::size_t most = 785'000;
  BOOST_TEST(peer.send(std::string(most, 'x')).status == "accepted");
  BOOST_TEST(site.inbox().back().body.size() == most);
  BOOST_TEST(peer.send(std::string(most + 2000, 'x')).reply.status == 413);
}

void a_client_cannot_choose_the_home(Site& site, const std::string& other_home) {
  for (const char* header :
       {"Sealpost-Home: ", "SEALPOST_HOME: ", "Redirect-Sealpost-Home: ", "Ssl-Sealpost-Home: "}) {
    Peer peer = site.client("spoof" + std::to_string(site.inbox().size()));
    peer.wire = [&](const std::string& form) -> test::Reply {
      const HttpReply reply = http(site.url(), "POST", {kForm, header + other_home}, form);
      return {reply.status, "", reply.body};
    };
    BOOST_TEST(peer.handshake().status == "accepted", header);
    BOOST_TEST(peer.send("x").status == "accepted", header);
  }
  BOOST_TEST(site.inbox().size() == 4U);
}

// The body comes in pieces of unknown number, without a length.
void a_chunked_body_is_taken(Site& site) {
  Peer peer = site.client("chunked");
  peer.wire = [&](const std::string& form) -> test::Reply {
    const HttpReply reply = http(site.url(), "POST", {kForm, "Transfer-Encoding: chunked"}, form);
    return {reply.status, "", reply.body};
  };
  BOOST_TEST(peer.handshake().status == "accepted");
  BOOST_TEST(peer.send("x").status == "accepted");
}

void the_log_has_a_line_for_each(Site& site) {
  Peer peer = site.client("logged");
  peer.handshake();
  peer.send("x", "a/topic");
  const auto line = nlohmann::json::parse(site.last_line());
  BOOST_TEST(line["outcome"] == "accepted");
  BOOST_TEST(line["name"] == "logged");
  BOOST_TEST(line["topic"] == "a/topic");
  BOOST_TEST(line["number"] == site.inbox().back().number);
}

const std::function<std::unique_ptr<Site>()> kSites[] = {
    [] { return std::make_unique<test::NginxSite>(); },
    [] { return std::make_unique<test::NginxSite>(test::NginxOptions{.keep = true}); },
    [] {
      return std::make_unique<test::NginxSite>(
          test::NginxOptions{.processes = 2, .arguments = {"--threads", "3"}, .keep = true});
    },
    [] { return std::make_unique<test::ApacheSite>("cgi.htaccess"); },
    [] { return std::make_unique<test::ApacheSite>("fcgid.htaccess"); },
};

template <class Test>
void on_every_site(Test test) {
  int number = 0;
  for (const auto& make : kSites) {
    BOOST_TEST_CONTEXT("site " << number++) {
      const std::unique_ptr<Site> site = make();
      test(*site);
    }
  }
}

BOOST_AUTO_TEST_CASE(delivers_message_through_web_server) { on_every_site(the_whole_way); }
BOOST_AUTO_TEST_CASE(answers_unsealed_requests_as_specified) { on_every_site(plain_answers); }
BOOST_AUTO_TEST_CASE(accepts_largest_body_and_rejects_larger) { on_every_site(large_bodies); }
BOOST_AUTO_TEST_CASE(accepts_chunked_bodies) { on_every_site(a_chunked_body_is_taken); }
BOOST_AUTO_TEST_CASE(logs_every_request) { on_every_site(the_log_has_a_line_for_each); }

BOOST_AUTO_TEST_CASE(client_header_cannot_choose_home) {
  const test::TempDir folder;
  const Home other(folder / "home");
  other.create(system_now());
  on_every_site([&](Site& site) { a_client_cannot_choose_the_home(site, other.root()); });
  Database database(other.store_paths(), other.server_id());
  BOOST_TEST(Inbox(database).last() == 0);
}

BOOST_AUTO_TEST_CASE(query_is_not_used_as_command_line) {
  // A query without "=" becomes the arguments of a CGI program (RFC 3875).
  test::ApacheSite site("cgi.htaccess");
  const test::TempDir folder;
  const Home other(folder / "home");
  other.create(system_now());
  Peer peer = site.client();
  const auto to = [&](const std::string& query) {
    return [&, query](const std::string& form) -> test::Reply {
      const HttpReply reply = http(site.url() + query, "POST", {kForm}, form);
      return {reply.status, "", reply.body};
    };
  };
  peer.wire = to("?--home+" + other.root());
  BOOST_TEST(peer.handshake().status == "accepted", "it is this home's client, in this home");
  BOOST_TEST(peer.send("x").status == "accepted");
  BOOST_TEST(site.inbox().size() == 1U);
  BOOST_TEST(http(site.url() + "?--version", "POST", {kForm}, "x").body == "form\n");
  BOOST_TEST(http(site.url() + "?--help", "POST", {kForm}, "x").body == "form\n");
}

BOOST_AUTO_TEST_CASE(one_process_serves_two_homes) {
  test::NginxSite site({.keep = true});
  const test::TempDir folder;
  const Home other(folder / "home");
  other.create(system_now());
  // Directly to the gateway's socket, as from a web server with two locations.
  const auto wire_of = [&](const Home& home) {
    return [&](const std::string& form) -> test::Reply {
      test::FastcgiPeer peer(site.socket());
      peer.request(form, false,
                   {{"SEALPOST_HOME", home.root()}, {"SEALPOST_LOG", site.folder / "log"}});
      const test::FastcgiPeer::Answer answer = peer.read();
      return {answer.status(), "", answer.body()};
    };
  };
  const auto client_of = [&](const Home& home) {
    Database database(home.store_paths(), home.server_id());
    const Claims claims = *Claims::of({{"role", "r"}});
    Clients(database).add("client1", 1, claims, system_now());
    return Peer(Credential::issue(home.keyring(), 1, "client1", 1, claims, ""), wire_of(home));
  };
  Peer here = client_of(site.home);
  Peer there = client_of(other);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(here.handshake().status == "accepted");
    BOOST_TEST(there.handshake().status == "accepted");
    BOOST_TEST(here.send("here").status == "accepted");
    BOOST_TEST(there.send("there").status == "accepted");
  }
  there.wire = wire_of(site.home);
  BOOST_TEST(there.send("lost").reply.status == 403,
             "a session of one home is nothing in the other");
  BOOST_TEST(site.bodies() == "here\nhere\nhere\n");
}

}  // namespace
}  // namespace sealpost
