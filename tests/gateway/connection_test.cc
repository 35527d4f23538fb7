// Slow, silent and broken connections, and thousands of requests.
#define BOOST_TEST_MODULE connection
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <thread>

#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::Clock;
using test::eventually;
using test::FastcgiPeer;
using test::NginxSite;
using test::Peer;
using test::post_form;

BOOST_AUTO_TEST_CASE(cuts_off_slow_body_and_serves_others) {
  NginxSite site;
  FastcgiPeer slow(site.socket());
  slow.begin(true);
  slow.params({{"REQUEST_METHOD", "POST"},
               {"CONTENT_TYPE", "application/x-www-form-urlencoded"},
               {"CONTENT_LENGTH", "1000000"}});
  std::atomic<bool> stop = false;
  std::thread dripping([&] {
    while (!stop) {
      slow.body("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // one byte at a time
    }
  });
  eventually("the gateway reads", [&] { return slow.is_read(); });
  const auto start = Clock::now();
  BOOST_TEST(post_form(site.url(), "garbage").status == 400);
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(12)),
             "10 s are the most a request may take");
  stop = true;
  dripping.join();
}

BOOST_AUTO_TEST_CASE(silent_or_broken_connection_delays_no_other) {
  NginxSite site;
  std::deque<FastcgiPeer> silent;
  for (int i = 0; i < 50; ++i) silent.emplace_back(site.socket());
  for (int i = 0; i < 10; ++i) silent.back().close(), silent.pop_back();
  Peer peer = site.client();
  const auto start = Clock::now();
  BOOST_TEST(peer.handshake().status == "accepted");
  BOOST_TEST(peer.send().status == "accepted");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(2)));
}

BOOST_AUTO_TEST_CASE(accepts_message_of_client_that_disconnects_before_answer) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  const std::string form = peer.seal(peer.message("left")).form();
  {
    FastcgiPeer connection(site.socket());
    connection.request(
        form, true, {{"SEALPOST_HOME", site.home.root()}, {"SEALPOST_LOG", site.folder / "log"}});
  }
  eventually("the message is there", [&] { return site.bodies() == "left\n"; });
  BOOST_TEST(post_form(site.url(), form).status == 409);
}

BOOST_AUTO_TEST_CASE(rejects_truncated_body) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  const std::string form = peer.seal(peer.message("cut")).form();
  FastcgiPeer connection(site.socket());
  connection.request(form, true,
                     {{"SEALPOST_HOME", site.home.root()},
                      {"SEALPOST_LOG", site.folder / "log"},
                      {"CONTENT_LENGTH", std::to_string(form.size() + 1)}});
  BOOST_TEST(connection.read().status() == 400);
  BOOST_TEST(site.inbox().empty());
}

BOOST_AUTO_TEST_CASE(does_not_serve_tcp_port) {
  const std::string port = std::to_string(test::free_port());
  const test::RunResult ran = test::run({"/usr/bin/spawn-fcgi", "-n", "-a", "127.0.0.1", "-p", port,
                                         "--", test::program("sealpost.fcgi")});
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(ran.err.find("unix socket") != std::string::npos, ran.err);
}

long resident_kib(pid_t id) {
  const std::string status = test::read_text("/proc/" + std::to_string(id) + "/status");
  return std::stol(status.substr(status.find("VmRSS:") + 6));
}

std::size_t open_files(pid_t id) {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(id) + "/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

BOOST_AUTO_TEST_CASE(ten_thousand_requests_leak_no_descriptor_or_memory) {
  NginxSite site({.keep = true, .gateway = test::kFaultyGateway});
  Peer peer = site.client();
  peer.handshake();
  const auto some_of_all = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      BOOST_REQUIRE(peer.send("body").status == "accepted");
      const test::RoundTrip sent = peer.send("again");
      BOOST_REQUIRE(post_form(site.url(), sent.form).status == 409);
      BOOST_REQUIRE(post_form(site.url(), "garbage").status == 400);
      BOOST_REQUIRE(post_form(site.url(), "encrypted_message=EgAA").status == 403);
    }
  };
  some_of_all(400);
  const pid_t id = site.gateways[0].id();
  const long memory = resident_kib(id);
  const std::size_t files = open_files(id);
  some_of_all(2000);
  BOOST_TEST(open_files(id) == files);
  const char* sanitizer = std::getenv("SEALPOST_SANITIZE");
  if (sanitizer != nullptr && *sanitizer != '\0') return;  // sanitizers keep freed memory
  BOOST_TEST(resident_kib(id) < memory + 2048, "from " << memory << " KiB");
}

}  // namespace
}  // namespace sealpost
