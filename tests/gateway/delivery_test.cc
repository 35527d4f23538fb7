// Messages that reach an application, through real web servers and gateways that are killed.
#define BOOST_TEST_MODULE delivery
#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "base/encoding.h"
#include "support/apache_site.h"
#include "support/site.h"
#include "support/web_application.h"

namespace sealpost {
namespace {

using test::Clock;
using test::eventually;
using test::NginxSite;
using test::Peer;
using test::read_text;
using test::RunResult;
using test::Site;
using test::WebApplication;

bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// A child that has ended stays a zombie of this test's, which takes over whoever loses its parent.
bool is_running(const std::string& id) {
  const std::string stat = read_text("/proc/" + std::to_string(std::stoi(id)) + "/stat");
  return !stat.empty() && !says(stat, ") Z ");
}

std::string reply_of(const WebApplication::Request& request) {
  return test::http_ok("web got " + request.body);
}

// --- Every way to run ---

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
    BOOST_TEST(peer.send("x", "elsewhere").status == "forbidden");
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

// --- One handler and the others ---

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
  eventually("its child is gone", [&] { return !is_running(read_text(child)); });
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
              // The queue may be full: then the client asks again.
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
  // A thread more or less of the pool's may keep a connection of its own.
  BOOST_TEST(files() <= before + 32);
  const std::string id = std::to_string(site.gateways[0].id());
  for (const auto& task : std::filesystem::directory_iterator(gateway + "/task")) {
    BOOST_TEST(read_text(task.path().string() + "/children").empty());
  }
}

// --- Told to stop ---

BOOST_AUTO_TEST_CASE(sigterm_waits_for_short_handler) {
  NginxSite site;
  site.routes("run - exec " +
              site.script("run", "touch " + (site.folder / "begun") + "; sleep 0.5; echo done") +
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
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(2)));
}

BOOST_AUTO_TEST_CASE(sigterm_kills_long_handler_and_it_runs_again_later) {
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
  site.gateways[0].signal(SIGTERM);
  waiting.join();
  BOOST_TEST(site.gateways[0].wait(std::chrono::seconds(3)).value_or(-1) == 0);
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

// --- Killed ---

// Starts the gateway again whenever it has died.
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
  // From the next death on it lives.
  void stop_killing() { stopped_killing_ = true; }

 private:
  void run() {
    while (!stop_) {
      if (!site_.gateways.empty() && !site_.gateways[0].wait(std::chrono::milliseconds(1)))
        continue;
      ++deaths_;
      site_.gateways.clear();
      // Where it dies next, and how soon.
      static const char* const kPoints[] = {"committed:4", "handled:4", "settled:4", "none:1"};
      setenv("SEALPOST_FAULT_POINT", stopped_killing_ ? "none:1" : kPoints[deaths_ % 4], 1);
      try {
        site_.start_gateways();
      } catch (const std::runtime_error&) {
        // It has died before spawn-fcgi had looked.
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
  NginxSite site({.arguments = {"--handler-timeout", "3s"}, .gateway = test::kFaultyGateway});
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
        // Whether it is settled.  A body says whose it is and which.
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
        // Those that were cut short come back when their leases have ended; meanwhile there are
        // others to send.
        const auto try_the_oldest = [&] {
          if (send(open.front())) return open.pop_front();
          open.push_back(std::move(open.front()));
          open.pop_front();
        };
        for (int number = 0; !stop; ++number) {
          Message message = peer.message(std::to_string(i) + "-" + std::to_string(number), "run");
          if (!send(message)) open.push_back(std::move(message));
          while (open.size() > 50 && !stop) try_the_oldest();
        }
        const auto deadline = Clock::now() + std::chrono::seconds(120);
        while (!open.empty() && Clock::now() < deadline) try_the_oldest();
        if (!open.empty()) all_right = false;
      });
    }
    const auto deadline = Clock::now() + std::chrono::minutes(5);
    while (restarter.deaths() < rounds && Clock::now() < deadline) {
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

// --- The operator's commands ---

BOOST_AUTO_TEST_CASE(operator_lists_routes) {
  NginxSite site;
  const std::string program = site.script("take-order", "cat");
  site.routes("# comment\norders role=shop exec " + program + "\n* role=* inbox\n");
  (void)site.client("shop1", "shop", {"--claim", "site=a"});
  (void)site.client("old", "shop");
  BOOST_TEST(site.operate({"routes", "check"}).status == 0);
  BOOST_TEST(says(site.operate({"routes", "show"}).out, "take-order"));
  const RunResult json = site.operate({"routes", "show", "--json"});
  const auto first = nlohmann::json::parse(json.out.substr(0, json.out.find('\n')));
  BOOST_TEST(first["line"] == 2);
  BOOST_TEST(first["topic"] == "orders");
  BOOST_TEST(first["to"] == "exec " + program);
  const auto test_of = [&](const std::string& name, const std::string& topic) {
    return site.operate({"routes", "test", name, topic}).out;
  };
  BOOST_TEST(test_of("shop1", "orders") ==
             "Line 2: delivered to the handler `exec " + program + "`.\n");
  BOOST_TEST(test_of("shop1", "x") ==
             "Line 2: no match: the topic is not orders.\nLine 3: delivered to the inbox.\n");
  BOOST_TEST(says(test_of("shop1", "sealpost/ping"), "ping"));
  BOOST_TEST(says(test_of("shop1", "sealpost/x"), "forbidden"));
  site.operate({"client", "revoke", "old"});
  BOOST_TEST(says(test_of("old", "orders"), "revoked"));
  BOOST_TEST(site.operate({"routes", "test", "nobody", "x"}).status == 1);

  site.routes("* - inbox\n* fly\n* - exec /none/such\n");
  const RunResult bad = site.operate({"routes", "check"});
  BOOST_TEST(bad.status == 1);
  BOOST_TEST(says(bad.out, "/routes, line 2: "), bad.out);
  BOOST_TEST(says(bad.out, "/routes, line 3: Cannot run /none/such"), bad.out);
  BOOST_TEST(site.operate({"routes", "show"}).status == 1);
  BOOST_TEST(site.operate({"routes"}).status == 2);
}

BOOST_AUTO_TEST_CASE(operator_lists_states_and_redelivers) {
  NginxSite site;
  const std::string program = site.script("handler", "exit 1");
  site.routes("run - exec " + program + "\n* - inbox\n");
  Peer peer = site.client();
  peer.handshake();
  const Message message = peer.message("x", "run");
  BOOST_TEST(peer.send(message).status == "failed");
  BOOST_TEST(peer.send("y", "box").status == "accepted");
  const auto states = [&] {
    std::string all;
    std::istringstream lines(site.operate({"inbox", "list", "--json"}).out);
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      all += json["state"].get<std::string>() + json["attempt"].dump() + " ";
    }
    return all;
  };
  BOOST_TEST(states() == "failed1 settled0 ");
  BOOST_TEST(says(site.operate({"stats"}).out, "failed"));
  const RunResult still = site.operate({"inbox", "retry", "1"});
  BOOST_TEST(still.status == 1);
  BOOST_TEST(says(still.out, "1  client1  run  failed: exit status 1"), still.out);
  (void)site.script("handler", "printf mended");
  const RunResult mended = site.operate({"inbox", "retry", "1"});
  BOOST_TEST(mended.status == 0, mended.err);
  BOOST_TEST(mended.out == "1  client1  run  accepted\n");
  BOOST_TEST(states() == "settled3 settled0 ");
  BOOST_TEST(peer.send(message).body == "mended");
  for (const char* number : {"1", "2", "9"}) {
    BOOST_TEST(site.operate({"inbox", "retry", number}).status == 1, number);
  }
  const RunResult nothing = site.operate({"inbox", "deliver"});
  BOOST_TEST(nothing.status == 0);
  BOOST_TEST(nothing.out.empty());
  BOOST_TEST(nothing.err.empty());
}

// --- The examples, as they lie in deploy/examples ---

std::string example(const Site& site, const std::string& name) {
  std::string path = site.folder / name;
  std::filesystem::copy_file("deploy/examples/" + name, path);
  return path;
}

BOOST_AUTO_TEST_CASE(exec_examples_work_and_ignore_repeated_message) {
  NginxSite site;
  site.routes("orders - exec " + example(site, "take-order.php") + "\ntelemetry/* - exec " +
              example(site, "spool.sh") + "\n");
  Peer peer = site.client("shop1", "shop");
  peer.handshake();
  BOOST_TEST(peer.send(R"({"item":"pen"})", "orders").body == "order 1\n");
  BOOST_TEST(peer.send(R"({"item":"ink"})", "orders").body == "order 2\n");
  BOOST_TEST(peer.send("{}", "orders").status == "failed");
  BOOST_TEST(says(site.log(), "this order names no item"));
  const Message reading = peer.message("21.5", "telemetry/room");
  BOOST_TEST(says(peer.send(reading).body, "stored as "));
  const std::string key = "shop1:" + base64url(reading.id);
  BOOST_TEST(read_text(site.folder / ("spool/" + key)) == "21.5");
  // As after a crash: the same message again.
  SQLite::Database(site.home.store_paths().database, SQLite::OPEN_READWRITE, 5000)
      .exec("UPDATE message SET status = 2, leased_until = 0 WHERE attempt > 0 AND status = 0");
  BOOST_TEST(lines_in(site.operate({"inbox", "deliver"}).out) == 3U);
  BOOST_TEST(peer.send(R"({"item":"cap"})", "orders").body == "order 3\n");
}

BOOST_AUTO_TEST_CASE(http_example_works) {
  NginxSite site;
  const int port = test::free_port();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  (void)example(site, "web-handler.php");
  const test::Process php({"/usr/bin/php", "-S", address, "-t", site.folder.path()},
                          site.folder / "php.out");
  eventually("PHP answers",
             [&] { return test::http("http://" + address + "/x", "GET", {}, "").status != 0; });
  site.routes("app/* role=* http http://" + address + "/web-handler.php\n");
  Peer peer = site.client("dev1", "device");
  peer.handshake();
  BOOST_TEST(peer.send("12345", "app/x").body == "dev1 (device) sent 5 bytes to app/x\n");
  BOOST_TEST(peer.send("", "app/x").status == "failed");
  BOOST_TEST(says(site.log(), "HTTP status 422"));
  BOOST_TEST(test::http("http://" + address + "/web-handler.php", "GET", {}, "").status == 405);
}

BOOST_AUTO_TEST_CASE(example_page_shows_inbox_and_escapes_html) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send("<b>21.5 & more</b>", "telemetry/room").status == "accepted");
  setenv("SEALPOST_HOME", site.home.root().c_str(), 1);
  const RunResult page = test::run({"/usr/bin/php", "deploy/examples/inbox.php"});
  unsetenv("SEALPOST_HOME");
  BOOST_TEST(page.status == 0, page.err);
  BOOST_TEST(says(page.out, "<td>1<td>client1<td>telemetry/room<td>20"), page.out);
  BOOST_TEST(says(page.out, "<td>settled<td>&lt;b&gt;21.5 &amp; more&lt;/b&gt;"), page.out);
  BOOST_TEST(peer.send("again").status == "accepted", "and the gateway writes on");
}

BOOST_AUTO_TEST_CASE(example_crontab_commands_work) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  peer.send("x");
  std::filesystem::create_directory(site.folder / "bin");
  std::filesystem::create_directory(site.folder / "backup");
  std::filesystem::copy_file(test::program("sealpost"), site.folder / "bin/sealpost");
  std::istringstream lines(read_text("deploy/examples/crontab"));
  int commands = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string ignored;
    for (int i = 0; i < 5; ++i) words >> ignored;
    std::string command;
    std::getline(words, command);
    // As cron does: \% is %.  The home is another one here.
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"\\%", "%"},
             {"/home/YOU/sealpost-home", site.home.root()},
             {"/home/YOU", site.folder.path()}}) {
      for (std::size_t at = 0; (at = command.find(from, at)) != std::string::npos;
           at += to.size()) {
        command.replace(at, from.size(), to);
      }
    }
    const RunResult ran = test::run({"/bin/sh", "-c", command});
    BOOST_TEST(ran.status == 0, command << ": " << ran.err);
    BOOST_TEST((ran.out + ran.err).empty(), "cron would send mail: " << ran.out);
    ++commands;
  }
  BOOST_TEST(commands == 3);
  BOOST_TEST(!std::filesystem::is_empty(site.folder / "backup"));
}

}  // namespace
}  // namespace sealpost
