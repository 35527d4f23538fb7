// Handlers behind real web servers, and handlers that fail, hang or are many.
#define BOOST_TEST_MODULE delivery
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <thread>

#include "support/apache_site.h"
#include "support/says.h"
#include "support/site.h"
#include "support/web_application.h"

namespace sealpost {
namespace {

using test::Clock;
using test::eventually;
using test::NginxSite;
using test::Peer;
using test::read_text;
using test::says;
using test::Site;
using test::WebApplication;

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Whether a process runs.  An ended process stays a zombie of this test, which adopts it.
bool is_running(const std::string& id) {
  const std::string stat = read_text("/proc/" + std::to_string(std::stoi(id)) + "/stat");
  return !stat.empty() && !says(stat, ") Z ");
}

std::string reply_of(const WebApplication::Request& request) {
  return test::http_ok("web got " + request.body);
}

const std::function<std::unique_ptr<Site>()> kSites[] = {
    [] { return std::make_unique<NginxSite>(); },
    [] {
      return std::make_unique<NginxSite>(
          test::NginxOptions{.processes = 2, .arguments = {"--threads", "2"}, .keep = true});
    },
    [] { return std::make_unique<test::ApacheSite>("cgi.htaccess"); },
    [] { return std::make_unique<test::ApacheSite>("fcgid.htaccess"); },
};

BOOST_AUTO_TEST_CASE(replies_and_their_repeats_pass_every_web_server) {
  for (const auto& make : kSites) {
    const std::unique_ptr<Site> site = make();
    const WebApplication application(reply_of);
    const WebApplication local(reply_of, site->folder / "app.sock");
    const std::string count = site->folder / "count";
    site->routes("run - exec " +
                 site->script("run", "echo x >>" + count + "; printf 'run got '; cat") +
                 "\nfail - exec " + site->script("fail", "exit 7") +
                 "\nweb - http http://127.0.0.1:" + std::to_string(application.port()) + "/in\n" +
                 "local - http unix:" + (site->folder / "app.sock") + ":/in\n" + "box - inbox\n");
    Peer peer = site->client();
    BOOST_TEST(peer.handshake().status == "accepted");
    for (const auto& [topic, reply] : std::map<std::string, std::string>{{"run", "run got hello"},
                                                                         {"web", "web got hello"},
                                                                         {"local", "web got hello"},
                                                                         {"box", ""}}) {
      const Message message = peer.message("hello", topic);
      const test::RoundTrip sent = peer.send(message);
      BOOST_TEST(sent.status == "accepted", topic);
      BOOST_TEST(sent.body == reply, topic);
      const test::RoundTrip again = peer.send(message);
      BOOST_TEST(again.status == "duplicate", topic);
      BOOST_TEST(again.body == reply, topic);
    }
    BOOST_TEST(peer.send("x", "fail").status == "failed");
    BOOST_TEST(peer.send("x", "elsewhere").status == "no_route");
    BOOST_TEST(lines_in(read_text(count)) == 1U);
    BOOST_TEST(application.requests().size() == 1U);
    BOOST_TEST(local.requests().size() == 1U);
    BOOST_TEST(says(site->log(), "exit status 7"));
  }
}

BOOST_AUTO_TEST_CASE(survives_handler_that_reads_nothing_or_writes_too_much) {
  NginxSite site;
  site.routes("deaf - exec " + site.script("deaf", "exec <&-; echo fine") + "\nloud - exec " +
              site.script("loud", "head -c 10000000 /dev/zero") + "\n");
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send(std::string(700'000, 'x'), "deaf").body == "fine\n");
  BOOST_TEST(peer.send("x", "loud").status == "failed");
  BOOST_TEST(peer.send("x", "deaf").status == "accepted");
}

BOOST_AUTO_TEST_CASE(stuck_handler_delays_no_other_message) {
  NginxSite site;
  const std::string end = site.folder / "end";
  site.routes("stuck - exec " +
              site.script("stuck", "while [ ! -e " + end + " ]; do sleep 0.05; done; echo freed") +
              "\nrun - exec " + site.script("run", "echo done") + "\nbox - inbox\n");
  Peer slow = site.client("slow");
  slow.handshake();
  test::RoundTrip freed;
  std::thread waiting([&] { freed = slow.send("x", "stuck"); });
  eventually("the handler is at work", [&] { return !site.inbox().empty(); });
  Peer peer = site.client("quick");
  const auto start = Clock::now();
  peer.handshake();
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(peer.send("x", "box").status == "accepted");
    BOOST_TEST(peer.send("x", "run").body == "done\n");
  }
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(5)));
  test::write_text(end, "");
  waiting.join();
  BOOST_TEST(freed.body == "freed\n");
}

BOOST_AUTO_TEST_CASE(slow_handler_of_one_client_leaves_places_to_another_client_and_route) {
  NginxSite site({.arguments = {"--handlers", "2"}});
  const std::string end = site.folder / "end";
  site.routes("slow - exec " +
              site.script("slow", "while [ ! -e " + end + " ]; do sleep 0.05; done") +
              "\nquick - exec " + site.script("quick", "echo done") + "\n");
  Peer greedy = site.client("greedy");
  greedy.handshake();
  greedy.send("", "sealpost/ping");
  Peer other = site.client("other");
  other.handshake();
  std::vector<std::string> requests;
  for (int i = 0; i < 15; ++i) {  // more than it may have places
    requests.push_back(greedy.seal(greedy.message("x", "slow"), 0, 0).form());
  }
  std::atomic<int> rejected = 0;
  std::vector<std::thread> threads;
  for (const std::string& request : requests) {
    threads.emplace_back([&] { rejected += greedy.wire(request).status == 503 ? 1 : 0; });
  }
  eventually("the greedy client has its places", [&] { return rejected == 5; });
  const auto start = Clock::now();
  for (int i = 0; i < 37; ++i) BOOST_TEST(other.send("x", "quick").body == "done\n");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(5)));
  test::write_text(end, "");
  for (std::thread& thread : threads) thread.join();
}

BOOST_AUTO_TEST_CASE(kills_handler_at_timeout_and_leaves_no_zombie) {
  NginxSite site({.arguments = {"--handler-timeout", "1s"}});
  const std::string child = site.folder / "child";
  site.routes("stuck - exec " +
              site.script("stuck", "trap '' TERM; sleep 100 & echo $! >" + child + "; wait") +
              "\n");
  Peer peer = site.client();
  peer.handshake();
  const auto start = Clock::now();
  BOOST_TEST(peer.send("x", "stuck").status == "failed");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(4)));
  BOOST_TEST(says(site.log(), "it was killed after 1000 ms"));
  eventually("its child has ended", [&] { return !is_running(read_text(child)); });
  const std::string gateway = std::to_string(site.gateways[0].id());
  BOOST_TEST(read_text("/proc/" + gateway + "/task/" + gateway + "/children").empty());
}

BOOST_AUTO_TEST_CASE(serves_eight_clients_on_32_connections_with_all_handler_kinds) {
  NginxSite site({.keep = true});
  const WebApplication application(reply_of);
  site.routes("run - exec " + site.script("run", "printf 'run got '; cat") +
              "\nweb - http http://127.0.0.1:" + std::to_string(application.port()) +
              "/\nbox - inbox\n");
  constexpr int kClients = 8;
  constexpr int kConnections = 4;  // of each
  constexpr int kMessages = 6;     // on each, of each kind
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  std::deque<Peer> peers;
  for (int client = 0; client < kClients; ++client) {
    Peer& peer = peers.emplace_back(site.client("client" + std::to_string(client)));
    peer.handshake();
    peer.send("", "sealpost/ping");
    for (int connection = 0; connection < kConnections; ++connection) {
      threads.emplace_back([&, connection] {
        Peer mine(Credential::parse(peer.credential.json()), peer.wire);
        mine.install_nonce = peer.install_nonce;
        mine.session = peer.session;
        mine.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
        mine.next = 1 + static_cast<std::uint64_t>(connection) * 3 * kMessages;
        for (int i = 0; i < kMessages; ++i) {
          const std::string body = std::to_string(i);
          for (const auto& [topic, reply] : std::map<std::string, std::string>{
                   {"run", "run got " + body}, {"web", "web got " + body}, {"box", ""}}) {
            const Message message = mine.message(body, topic);
            for (int tries = 0; tries < 200; ++tries) {
              // If the queue is full, the client sends again.
              const test::RoundTrip sent = mine.post(mine.seal(message, 0, 0));
              if (sent.status == "unavailable") continue;
              right +=
                  (sent.status == "accepted" || sent.status == "duplicate") && sent.body == reply;
              break;
            }
          }
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(right == kClients * kConnections * kMessages * 3);
  BOOST_TEST(site.inbox().size() == static_cast<std::size_t>(right));
  for (const InboxRow& row : site.inbox()) BOOST_TEST(row.state == "settled");
}

BOOST_AUTO_TEST_CASE(three_hundred_handlers_leak_no_descriptor_or_process) {
  NginxSite site({.keep = true, .gateway = test::kFaultyGateway});
  const WebApplication application(reply_of);
  site.routes("run - exec " + site.script("run", "cat") +
              "\nweb - http http://127.0.0.1:" + std::to_string(application.port()) + "/\n");
  Peer peer = site.client();
  peer.handshake();
  const std::string gateway = "/proc/" + std::to_string(site.gateways[0].id());
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(gateway + "/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto some = [&](int count) {
    for (int i = 0; i < count; ++i) {
      BOOST_REQUIRE(peer.send("x", i % 2 == 0 ? "run" : "web").status == "accepted");
    }
  };
  some(50);
  const auto before = files();
  some(300);
  // Each thread of the pool may keep one connection.
  BOOST_TEST(files() <= before + 32);
  const std::string id = std::to_string(site.gateways[0].id());
  for (const auto& task : std::filesystem::directory_iterator(gateway + "/task")) {
    BOOST_TEST(read_text(task.path().string() + "/children").empty());
  }
}

}  // namespace
}  // namespace sealpost
