// Handlers whose gateway is stopped or killed.
#define BOOST_TEST_MODULE delivery_interruption
#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <set>
#include <sstream>
#include <thread>

#include "support/site.h"

namespace sealpost {
namespace {

using test::Clock;
using test::eventually;
using test::NginxSite;
using test::Peer;
using test::read_text;

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

BOOST_AUTO_TEST_CASE(sigterm_waits_for_running_handler) {
  NginxSite site;
  site.routes("run - exec " +
              site.script("run", "touch " + (site.folder / "begun") + "; sleep 3; echo done") +
              "\n");
  Peer peer = site.client();
  peer.handshake();
  test::RoundTrip sent;
  std::thread waiting([&] { sent = peer.send("x", "run"); });
  eventually("it is at work", [&] { return std::filesystem::exists(site.folder / "begun"); });
  const auto start = Clock::now();
  site.gateways[0].signal(SIGTERM);
  waiting.join();
  BOOST_TEST(sent.body == "done\n");
  BOOST_TEST(site.gateways[0].wait(std::chrono::seconds(3)).value_or(-1) == 0);
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(5)));
}

BOOST_AUTO_TEST_CASE(second_sigterm_kills_handler_and_it_runs_again_later) {
  NginxSite site;
  const std::string begun = site.folder / "begun";
  site.routes(
      "run - exec " +
      site.script("run",
                  "echo x >>" + begun +
                      "; [ $SEALPOST_ATTEMPT -gt 1 ] || sleep 100; echo done $SEALPOST_ATTEMPT") +
      "\n");
  Peer peer = site.client();
  peer.handshake();
  const Message message = peer.message("x", "run");
  test::RoundTrip sent;
  std::thread waiting([&] { sent = peer.send(message); });
  eventually("it is at work", [&] { return std::filesystem::exists(begun); });
  const auto start = Clock::now();
  std::optional<int> status;
  eventually("it ends", [&] {
    site.gateways[0].signal(SIGTERM);
    status = site.gateways[0].wait(std::chrono::milliseconds(100));
    return status.has_value();
  });
  waiting.join();
  BOOST_TEST(status.value_or(-1) == 0);
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(3)));
  BOOST_TEST(sent.status == "in_progress");
  site.gateways.clear();
  site.start_gateways();
  BOOST_TEST(peer.send(message).body == "done 2\n", "at once: nobody has it any more");
  BOOST_TEST(lines_in(read_text(begun)) == 2U);
}

BOOST_AUTO_TEST_CASE(claims_abandoned_message_without_its_client) {
  NginxSite site({.arguments = {"--handler-timeout", "1s"}});
  const std::string ran = site.folder / "ran";
  site.routes("run - exec " +
              site.script("run", "echo $SEALPOST_ATTEMPT >>" + ran +
                                     "; [ $SEALPOST_ATTEMPT -gt 1 ] || kill -9 $PPID") +
              "\n");
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send("x", "run").reply.status == 502);
  site.gateways.clear();
  site.start_gateways();
  BOOST_TEST(peer.send("", "sealpost/ping").status == "accepted");
  eventually("it was run again", [&] { return read_text(ran) == "1\n2\n"; });
  eventually("it is settled", [&] { return site.inbox().at(0).state == "settled"; });
}

// Starts the gateway again each time it has died.
class GatewayRestarter {
 public:
  explicit GatewayRestarter(NginxSite& site) : site_(site), thread_([this] { run(); }) {}
  ~GatewayRestarter() {
    stop_ = true;
    thread_.join();
  }
  GatewayRestarter(const GatewayRestarter&) = delete;
  GatewayRestarter& operator=(const GatewayRestarter&) = delete;
  [[nodiscard]] int deaths() const { return deaths_; }
  // After its next death the gateway is not killed any more.
  void stop_killing() { stopped_killing_ = true; }

 private:
  void run() {
    while (!stop_) {
      if (!site_.gateways.empty() && !site_.gateways[0].wait(std::chrono::milliseconds(1)))
        continue;
      ++deaths_;
      site_.gateways.clear();
      // The point at which it dies next, and how soon.
      static const char* const kPoints[] = {"committed:4", "handled:4", "settled:4", "none:1"};
      setenv("SEALPOST_FAULT_POINT", stopped_killing_ ? "none:1" : kPoints[deaths_ % 4], 1);
      try {
        site_.start_gateways();
      } catch (const std::runtime_error&) {
        // The gateway died before spawn-fcgi checked it.
      }
    }
    if (site_.gateways.empty()) site_.start_gateways();
  }

  NginxSite& site_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> stopped_killing_ = false;
  std::atomic<int> deaths_ = 0;
  std::thread thread_;
};

BOOST_AUTO_TEST_CASE(loses_and_duplicates_nothing_when_killed_500_times_around_handlers) {
  const char* sanitizer = std::getenv("SEALPOST_SANITIZE");
  const bool slow = sanitizer != nullptr && *sanitizer != '\0';
  const int rounds = slow ? 100 : 500;
  constexpr int kClients = 4;
  setenv("SEALPOST_FAULT_POINT", "committed:4", 1);
  NginxSite site({.arguments = {"--handler-timeout", "2s"},
                  .gateway = test::kFaultyGateway,
                  .holds_socket = true});
  const std::string ran = site.folder / "ran";
  // The handler itself kills the gateway where the fault points do not.
  site.routes(
      "run - exec " +
      site.script("run", "echo $SEALPOST_MESSAGE_ID >>" + ran +
                             "; [ $(($SEALPOST_NUMBER % 8)) -ne 0 ] || [ $SEALPOST_ATTEMPT -gt 1 ] "
                             "|| kill -9 $PPID; printf 'reply to '; cat") +
      "\n");
  std::deque<Peer> peers;
  for (int i = 0; i < kClients; ++i) {
    Peer& peer = peers.emplace_back(site.client("client" + std::to_string(i)));
    while (peer.handshake().status != "accepted") {
    }
  }
  std::vector<std::multiset<std::string>> accepted(kClients);
  std::atomic<bool> all_right = true;
  {
    GatewayRestarter restarter(site);
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < kClients; ++i) {
      threads.emplace_back([&, i] {
        Peer& peer = peers[static_cast<std::size_t>(i)];
        std::deque<Message> open;
        const auto oldest = [&](const Message& message) {
          std::uint64_t counter = message.counter;
          for (const Message& one : open) counter = std::min(counter, one.counter);
          return counter;
        };
        // Sends a message, and returns whether it is settled.  A body names its client and number.
        const auto send = [&](const Message& message) {
          const test::RoundTrip sent = peer.post(peer.seal(message, 0, oldest(message)));
          if (sent.status != "accepted" && sent.status != "duplicate") {
            const bool open_still =
                sent.status.empty() || sent.status == "in_progress" || sent.status == "unavailable";
            if (!open_still) all_right = false;
            return false;
          }
          const std::string body(text_of(message.body));
          if (sent.body != "reply to " + body) all_right = false;
          accepted[static_cast<std::size_t>(i)].insert(body);
          return true;
        };
        // Interrupted messages can be resent when their leases have expired; other messages are
        // sent meanwhile.
        const auto try_the_oldest = [&] {
          if (send(open.front())) return open.pop_front();
          open.push_back(std::move(open.front()));
          open.pop_front();
        };
        // A client starts no counter that is 1,024 above its oldest open one.
        const auto is_window_full = [&] {
          return !open.empty() && oldest(open.front()) + 1000 <= peer.next;
        };
        for (int number = 0; !stop; ++number) {
          Message message = peer.message(std::to_string(i) + "-" + std::to_string(number), "run");
          if (!send(message)) open.push_back(std::move(message));
          // One that is due runs again while the gateway is still being killed.
          if (!open.empty()) try_the_oldest();
          while (!stop && is_window_full()) try_the_oldest();
        }
        const auto deadline = Clock::now() + std::chrono::seconds(120);
        while (!open.empty() && Clock::now() < deadline) {
          try_the_oldest();
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        if (!open.empty()) all_right = false;
      });
    }
    const auto deadline = Clock::now() + std::chrono::minutes(5);
    // The kills go on for longer than a lease, so that interrupted messages run again between them.
    const auto at_least = Clock::now() + std::chrono::seconds(14);
    while ((restarter.deaths() < rounds || Clock::now() < at_least) && Clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    BOOST_TEST(restarter.deaths() >= rounds);
    restarter.stop_killing();
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }
  unsetenv("SEALPOST_FAULT_POINT");
  BOOST_TEST(all_right, "every answer was the right one, and every message was settled");

  std::multiset<std::string> stored;
  for (const InboxRow& row : site.inbox()) {
    stored.emplace(text_of(row.body));
    if (row.state != "settled" || row.attempt < 1) BOOST_ERROR(row.number);
  }
  std::size_t total = 0;
  for (const auto& client : accepted) {
    total += client.size();
    for (const std::string& body : client) {
      if (stored.count(body) != 1 || client.count(body) != 1) BOOST_ERROR(body);
    }
  }
  BOOST_TEST(total == stored.size());
  std::set<std::string> handled;
  std::istringstream lines(read_text(ran));
  for (std::string line; std::getline(lines, line);) handled.insert(line);
  BOOST_TEST(handled.size() == stored.size(), "each handler ran at least once");
  SQLite::Database at(site.home.store_paths().database, SQLite::OPEN_READONLY);
  BOOST_TEST(at.execAndGet("PRAGMA integrity_check").getString() == "ok");
}

}  // namespace
}  // namespace sealpost
