// A gateway process that runs out of file descriptors or memory answers 503, or ends and is started
// again.  It never acknowledges a message that it did not store.
#define BOOST_TEST_MODULE limits
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <deque>
#include <future>
#include <set>

#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost::test {
namespace {

namespace fs = std::filesystem;

// How many descriptors a process has open.
std::set<rlim_t> descriptors(const Process& process) {
  std::set<rlim_t> open;
  for (const auto& file : fs::directory_iterator("/proc/" + std::to_string(process.id()) + "/fd")) {
    open.insert(std::stoul(file.path().filename()));
  }
  return open;
}

// The limit at which a process can open so many more.
rlim_t limit_for(const Process& process, int more) {
  const std::set<rlim_t> open = descriptors(process);
  rlim_t limit = 0;
  for (int free = 0; free < more; ++limit) free += open.contains(limit) ? 0 : 1;
  return limit;
}

// Whether it has reached its limit.
bool is_full(const Process& process, rlim_t limit) {
  const std::set<rlim_t> open = descriptors(process);
  return std::distance(open.begin(), open.lower_bound(limit)) == static_cast<std::ptrdiff_t>(limit);
}

rlim_t bytes_of_memory(const Process& process) {
  std::ifstream pages("/proc/" + std::to_string(process.id()) + "/statm");
  rlim_t all = 0;
  pages >> all;
  return all * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

// Sets a process's soft limit, which can be raised again later.
void allow(const Process& process, __rlimit_resource what, rlim_t limit) {
  rlimit now{};
  BOOST_REQUIRE(prlimit(process.id(), what, nullptr, &now) == 0);
  now.rlim_cur = std::min(limit, now.rlim_max);
  BOOST_REQUIRE(prlimit(process.id(), what, &now, nullptr) == 0);
}

// A site with a client that posts directly to the gateway's socket and keeps what was accepted.
struct LimitedSite {
  NginxSite site{{.gateway = kFaultyGateway}};
  Peer peer = site.client();
  std::set<std::string> told;

  LimitedSite() {
    peer.wire = [this](const std::string& form) { return post(form); };
  }
  // A reply has status 0 if the gateway closed the connection or has ended.
  [[nodiscard]] Reply post(const std::string& form) const {
    try {
      FastcgiPeer connection(site.socket());
      connection.request(
          form, false,
          {{"SEALPOST_HOME", site.home.root()}, {"SEALPOST_LOG", site.folder / "log"}});
      const FastcgiPeer::Answer answer = connection.read();
      return {answer.ended ? answer.status() : 0, "", answer.body()};
    } catch (const std::runtime_error&) {
      return {};
    }
  }
  // Sends, and returns whether the message was accepted.  If not, the answer must be 503 or
  // missing.
  bool send(const Message& message) {
    const RoundTrip exchange = peer.send(message);
    if (exchange.status == "accepted" || exchange.status == "duplicate") {
      told.emplace(text_of(message.body));
      return true;
    }
    const int status = exchange.reply.status;
    BOOST_TEST((status == 503 || status == 0), status << " " << exchange.status);
    return false;
  }
  void restart() {
    site.kill_gateways();
    site.start_gateways();
  }
  Process& gateway() { return site.gateways.front(); }
  void check() const {
    std::multiset<std::string> stored;
    for (const InboxRow& row : site.inbox()) stored.emplace(text_of(row.body));
    BOOST_TEST((stored == std::multiset(told.begin(), told.end())),
               "what was accepted is there, once, and nothing else");
    Database database(site.home.store_paths(), site.home.server_id());
    BOOST_TEST(database.handle().execAndGet("PRAGMA integrity_check").getString() == "ok");
  }
};

// A sanitizer needs pipes and address space of its own.
bool is_sanitized() {
  const char* sanitizer = std::getenv("SEALPOST_SANITIZE");
  return sanitizer != nullptr && *sanitizer != 0;
}

BOOST_AUTO_TEST_CASE(answers_503_without_descriptors_and_recovers) {
  if (is_sanitized()) return;
  LimitedSite tight;
  BOOST_TEST(tight.peer.handshake().status == "accepted");
  int served = 0;
  int rejected = 0;
  for (int more = 1; more < 14; ++more) {
    BOOST_TEST_CONTEXT(more << " descriptors") {
      tight.restart();
      allow(tight.gateway(), RLIMIT_NOFILE, limit_for(tight.gateway(), more));
      const Message message = tight.peer.message(std::to_string(more));
      ++(tight.send(message) ? served : rejected);
      allow(tight.gateway(), RLIMIT_NOFILE, RLIM_INFINITY);
      BOOST_TEST(tight.send(message), "the very next request is served");
      BOOST_TEST(tight.gateway().is_running());
    }
  }
  BOOST_TEST(served > 0);
  BOOST_TEST(rejected > 2);
  tight.check();
}

BOOST_AUTO_TEST_CASE(clients_wait_while_connections_use_all_descriptors) {
  LimitedSite tight;
  BOOST_TEST(tight.peer.handshake().status == "accepted");
  BOOST_TEST(tight.send(tight.peer.message("before")));
  const rlim_t most = limit_for(tight.gateway(), 5);
  allow(tight.gateway(), RLIMIT_NOFILE, most);
  std::deque<FastcgiPeer> silent;
  for (int i = 0; i < 8; ++i) silent.emplace_back(tight.site.socket());
  eventually("no descriptor is left", [&] { return is_full(tight.gateway(), most); });
  auto waiting =
      std::async(std::launch::async, [&] { return tight.send(tight.peer.message("waits")); });
  silent.clear();
  BOOST_TEST(waiting.get());
  BOOST_TEST(tight.gateway().is_running());
  tight.check();
}

BOOST_AUTO_TEST_CASE(handler_without_descriptor_does_not_fail_message) {
  if (is_sanitized()) return;
  LimitedSite tight;
  tight.site.routes("* - exec " + tight.site.script("handler", "cat\n") + "\n");
  BOOST_TEST(tight.peer.handshake().status == "accepted");
  BOOST_TEST(tight.peer.send("before").status == "accepted");
  std::vector<Message> open;
  for (int more = 1; more < 8; ++more) {
    allow(tight.gateway(), RLIMIT_NOFILE, limit_for(tight.gateway(), more));
    const Message message = tight.peer.message(std::to_string(more), "t");
    const RoundTrip exchange = tight.peer.send(message);
    BOOST_TEST(exchange.status != "failed", more << " descriptors");
    if (exchange.status == "in_progress") open.push_back(message);
  }
  BOOST_TEST(!open.empty());
  allow(tight.gateway(), RLIMIT_NOFILE, RLIM_INFINITY);
  for (const Message& message : open) {
    RoundTrip exchange;
    eventually("its handler runs after all", [&] {
      exchange = tight.peer.send(message);
      return exchange.status != "in_progress";
    });
    BOOST_TEST((exchange.status == "accepted" || exchange.status == "duplicate"), exchange.status);
    BOOST_TEST(exchange.body == text_of(message.body));
  }
}

BOOST_AUTO_TEST_CASE(answers_503_or_ends_without_memory_and_never_acknowledges_falsely) {
  if (is_sanitized()) return;
  LimitedSite tight;
  BOOST_TEST(tight.peer.handshake().status == "accepted");
  int served = 0;
  int rejected = 0;
  for (const rlim_t more : {0, 64, 128, 256, 512, 1024, 2048, 4096, 6144, 8192, 12288, 65536}) {
    for (const std::size_t size : {10U, 10'000U, 700'000U}) {
      BOOST_TEST_CONTEXT(more << " KiB more, a message of " << size) {
        if (!tight.gateway().is_running()) tight.restart();
        allow(tight.gateway(), RLIMIT_AS, bytes_of_memory(tight.gateway()) + more * 1024);
        const std::string body = std::to_string(more) + std::string(size, '-');
        const Message message = tight.peer.message(body);
        ++(tight.send(message) ? served : rejected);
        eventually("with memory it goes on", [&] {
          if (!tight.gateway().is_running()) tight.restart();
          allow(tight.gateway(), RLIMIT_AS, RLIM_INFINITY);
          return tight.send(message);
        });
      }
    }
    tight.restart();
  }
  BOOST_TEST(served > 0);
  BOOST_TEST(rejected > 0);
  tight.check();
}

}  // namespace
}  // namespace sealpost::test
