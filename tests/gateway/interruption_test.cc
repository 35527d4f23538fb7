// Gateways that are killed or told to stop.
#define BOOST_TEST_MODULE interruption
#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <set>
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

std::string sql(const test::Site& site, const std::string& statement) {
  SQLite::Database at(site.home.store_paths().database, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement query(at, statement);
  return query.executeStep() ? query.getColumn(0).getString() : "";
}

BOOST_AUTO_TEST_CASE(sigkill_under_load_loses_no_acknowledged_message) {
  NginxSite site({.processes = 2});
  constexpr int kClients = 3;
  std::vector<Peer> peers;
  for (int i = 0; i < kClients; ++i) peers.push_back(site.client("client" + std::to_string(i)));
  std::atomic<bool> stop = false;
  std::vector<std::set<std::string>> acknowledged(kClients);
  std::atomic<int> count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Peer& peer = peers[static_cast<std::size_t>(i)];
      for (int number = 0; !stop; ++number) {
        if (!peer.session) {
          peer.handshake();
          continue;
        }
        const std::string body = std::to_string(i) + "-" + std::to_string(number);
        const Message message = peer.message(body);
        for (int tries = 0; tries < 50 && !stop; ++tries) {
          const std::string status = peer.send(message).status;
          if (status == "accepted" || status == "duplicate") {
            acknowledged[static_cast<std::size_t>(i)].insert(body);
            ++count;
            break;
          }
        }
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    const int before = count;
    eventually("some messages are acknowledged", [&] { return count > before + 7; });
    site.kill_gateways();
    site.start_gateways();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();

  std::multiset<std::string> stored;
  for (const InboxRow& row : site.inbox()) stored.emplace(text_of(row.body));
  std::size_t total = 0;
  for (const auto& client : acknowledged) {
    total += client.size();
    for (const std::string& body : client) BOOST_TEST(stored.count(body) == 1U, body);
  }
  for (const std::string& body : stored) BOOST_TEST(stored.count(body) == 1U, body);
  BOOST_TEST(total >= 80U);
  BOOST_TEST(sql(site, "PRAGMA integrity_check") == "ok");
}

BOOST_AUTO_TEST_CASE(sigterm_during_body_finishes_that_request) {
  for (const int signal_number : {SIGTERM, SIGINT, SIGUSR1}) {
    NginxSite site;
    Peer peer = site.client();
    const std::map<std::string, std::string> settings = {{"SEALPOST_HOME", site.home.root()},
                                                         {"SEALPOST_LOG", site.folder / "log"}};
    peer.handshake();
    const std::string form = peer.seal(peer.message("in the middle")).form();
    FastcgiPeer connection(site.socket());
    auto params = settings;
    params.insert({{"REQUEST_METHOD", "POST"},
                   {"CONTENT_TYPE", "application/x-www-form-urlencoded"},
                   {"CONTENT_LENGTH", std::to_string(form.size())}});
    connection.begin(true);
    connection.params(params);
    connection.body(form.substr(0, 10));

    eventually("the gateway reads", [&] { return connection.is_read(); });
    const auto start = Clock::now();
    site.gateways[0].signal(signal_number);
    eventually("the signal is taken", [&] { return site.gateways[0].has_taken_signals(); });
    connection.body(form.substr(10));
    connection.end_body();
    const FastcgiPeer::Answer answer = connection.read();
    BOOST_TEST(answer.ended);
    BOOST_TEST(answer.status() == 200);
    BOOST_TEST(site.gateways[0].wait(std::chrono::seconds(3)).value_or(-1) == 0);
    BOOST_TEST((Clock::now() - start < std::chrono::seconds(3)));
    BOOST_TEST(site.bodies() == "in the middle\n");
  }
}

BOOST_AUTO_TEST_CASE(sigterm_does_not_wait_for_missing_body) {
  NginxSite site;
  FastcgiPeer connection(site.socket());
  connection.begin(true);
  connection.params({{"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "100"}});
  connection.body("half");
  eventually("the gateway reads", [&] { return connection.is_read(); });
  const auto start = Clock::now();
  site.gateways[0].signal(SIGTERM);
  BOOST_TEST(site.gateways[0].wait(std::chrono::seconds(5)).value_or(-1) == 0);
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(3)));
}

BOOST_AUTO_TEST_CASE(sigterm_while_idle_ends_at_once_with_kept_connections) {
  NginxSite site({.arguments = {"--threads", "3"}, .keep = true});
  Peer peer = site.client();
  peer.handshake();
  const auto start = Clock::now();
  site.gateways[0].signal(SIGTERM);
  BOOST_TEST(site.gateways[0].wait(std::chrono::seconds(5)).value_or(-1) == 0);
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(1)));
  BOOST_TEST(sql(site, "SELECT count(*) FROM tally") != "", "what was counted is written at exit");
}

}  // namespace
}  // namespace sealpost
