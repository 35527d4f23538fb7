// Real gateways under load while the program is replaced, its log is moved, or its database has an
// old schema.
#define BOOST_TEST_MODULE upgrade
#include <signal.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "support/fastcgi_peer.h"
#include "support/old_schema.h"
#include "support/says.h"
#include "support/traffic.h"

namespace sealpost {
namespace {

using test::eventually;
using test::NginxSite;
using test::Peer;
using test::Process;
using test::read_text;
using test::RunResult;
using test::says;
using test::schema_of;
using test::Traffic;
using Words = std::vector<std::string>;

namespace fs = std::filesystem;

// --- Another program ---

ino_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// A site whose gateways are a copy of the program, which can be replaced.
struct UpgradableSite {
  NginxSite site;
  std::string gateway = site.folder / "sealpost.fcgi";

  UpgradableSite() {
    site.kill_gateways();
    fs::copy_file(test::program(test::kFaultyGateway), gateway);
  }

  // Starts it with `spawn-fcgi -n`, which becomes the gateway itself, or multiwatch.
  Process start(const Words& watcher = {}) {
    Words words = {"/usr/bin/spawn-fcgi", "-n", "-s", site.socket(), "-M", "0600", "--"};
    words.insert(words.end(), watcher.begin(), watcher.end());
    words.push_back(gateway);
    Process started(words, site.folder / "started");
    eventually("it listens", [&] { return test::post_form(site.url(), "x").status == 400; });
    return started;
  }

  // Replaces the program in one step, as an installation should.
  void replace() const {
    fs::copy_file(test::program(test::kFaultyGateway), gateway + ".new");
    fs::rename(gateway + ".new", gateway);
  }

  // Whether no gateway accepts connections.
  [[nodiscard]] bool is_closing() const {
    test::FastcgiPeer client(site.socket());
    client.request("x", false);
    for (int i = 0; i < 40 && !client.is_read(); ++i) usleep(5'000);
    return !client.is_read();
  }
};

BOOST_AUTO_TEST_CASE(finishes_requests_and_exits_0_when_executable_is_replaced) {
  UpgradableSite u;
  const std::string handler = u.site.script("handler",
                                            "touch ../begun; while [ ! -e ../go ]; do "
                                            "/bin/sleep 0.02; done; echo done\n");
  fs::create_directory(u.site.folder / "bin");
  fs::rename(handler, u.site.folder / "bin/handler");
  u.site.routes("* - exec " + (u.site.folder / "bin/handler") + "\n");
  Process gateway = u.start();
  Peer peer = u.site.client();
  BOOST_TEST(peer.handshake().status == "accepted");

  fs::rename(u.gateway, u.gateway + ".away");
  BOOST_TEST(!gateway.wait(std::chrono::milliseconds(2300)), "a missing file does not end it");
  fs::rename(u.gateway + ".away", u.gateway);

  auto sent = std::async(std::launch::async, [&] { return peer.send("x"); });
  eventually("the handler is at work", [&] { return fs::exists(u.site.folder / "begun"); });
  BOOST_TEST(!u.is_closing());
  u.replace();
  eventually("it takes no new requests", [&] { return u.is_closing(); });
  test::write_text(u.site.folder / "go", "");
  BOOST_TEST(sent.get().body == "done\n");
  BOOST_TEST(gateway.wait(std::chrono::seconds(5)).value_or(-1) == 0);
}

// The gateways that multiwatch keeps running.
std::vector<pid_t> children_of(const Process& parent) {
  const std::string id = std::to_string(parent.id());
  std::istringstream list(read_text("/proc/" + id + "/task/" + id + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

BOOST_AUTO_TEST_CASE(upgrade_under_load_loses_no_message) {
  UpgradableSite u;
  Process watcher = u.start({"/usr/bin/multiwatch", "-f", "2", "-s", "TERM", "--"});
  Traffic traffic(u.site, 4);
  traffic.start();
  traffic.wait_for(5);
  const std::vector<pid_t> old = children_of(watcher);
  BOOST_REQUIRE(old.size() == 2U);
  u.replace();
  const ino_t replaced = inode_of(u.gateway);
  eventually("two new ones run, of the new program", [&] {
    const std::vector<pid_t> now = children_of(watcher);
    return now.size() == 2 && std::all_of(now.begin(), now.end(), [&](pid_t one) {
             return std::find(old.begin(), old.end(), one) == old.end() &&
                    inode_of("/proc/" + std::to_string(one) + "/exe") == replaced;
           });
  });
  traffic.wait_for(5);
  traffic.stop();
  test::expect_each_exactly_once(traffic, u.site);
}

// --- A log that is moved away ---

bool has_open(pid_t process, const std::string& path) {
  const fs::directory_iterator files("/proc/" + std::to_string(process) + "/fd");
  return std::any_of(begin(files), end(files), [&](const fs::directory_entry& file) {
    std::error_code closed_meanwhile;
    return fs::read_symlink(file, closed_meanwhile) == path;
  });
}

BOOST_AUTO_TEST_CASE(reopens_log_after_it_is_moved_without_losing_lines) {
  NginxSite site({.processes = 2, .gateway = test::kFaultyGateway});
  Traffic traffic(site, 4);
  traffic.start();
  const std::string moved = site.folder / "log.1";
  std::string all;
  for (int i = 0; i < 2; ++i) {
    traffic.wait_for(3);
    fs::rename(site.folder / "log", moved);
    eventually("nobody writes to what was moved", [&] {
      return std::none_of(site.gateways.begin(), site.gateways.end(),
                          [&](const Process& one) { return has_open(one.id(), moved); });
    });
    all += read_text(moved);
  }
  traffic.wait_for(3);
  traffic.stop();
  test::expect_each_exactly_once(traffic, site);
  all += site.log();

  std::map<std::int64_t, int> lines;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.value("outcome", "") == "accepted") ++lines[json.value("number", std::int64_t{0})];
  }
  BOOST_TEST(lines.size() == traffic.accepted().size() + traffic.size(), "with each one's ping");
  for (const auto& [number, count] : lines) {
    if (count != 1) BOOST_ERROR("message " + std::to_string(number) + " has several lines");
  }
  struct stat status {};
  BOOST_REQUIRE(stat((site.folder / "log").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600U);
}

BOOST_AUTO_TEST_CASE(keeps_writing_to_moved_log_if_new_one_cannot_be_opened) {
  NginxSite site;
  Peer peer = site.client();
  peer.handshake();
  peer.send();
  const std::string moved = site.folder / "log.1";
  fs::rename(site.folder / "log", moved);
  fs::permissions(site.folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  const auto lines = [&] {
    const std::string text = read_text(moved);
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = lines();
  int sent = 0;
  const auto until = test::Clock::now() + std::chrono::milliseconds(1200);
  for (; test::Clock::now() < until; ++sent) peer.send();
  BOOST_TEST(lines() == before + sent);
  fs::permissions(site.folder.path(), fs::perms::owner_all);
  eventually("there is a new one", [&] {
    peer.send();
    return fs::exists(site.folder / "log");
  });
}

// --- A database of the first schema ---

// How many processes wait for a lock that another one holds.
std::size_t waiting(const std::vector<pid_t>& processes) {
  std::istringstream locks(read_text("/proc/locks"));
  std::set<pid_t> found;
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, arrow, kind, how, access;
    pid_t process = 0;
    words >> number >> arrow >> kind >> how >> access >> process;
    const bool ours = std::find(processes.begin(), processes.end(), process) != processes.end();
    if (arrow == "->" && kind == "FLOCK" && ours) found.insert(process);
  }
  return found.size();
}

// A database of the first schema, with clients, live sessions and messages, is opened at the same
// moment by several gateways and the operator's tool, while clients send.  All of them see the old
// schema before one has the write lock, so that all want to migrate and one does.
BOOST_AUTO_TEST_CASE(migrates_first_schema_under_load) {
  NginxSite site({.processes = 3});
  Traffic traffic(site, 8);
  Peer peer = site.client("peer");
  peer.handshake();
  const test::RoundTrip before = peer.send("peer-1");
  traffic.start();
  traffic.wait_for(3);
  for (const Process& one : site.gateways) one.signal(SIGTERM);
  for (Process& one : site.gateways) {
    BOOST_TEST(one.wait(std::chrono::seconds(5)).value_or(-1) == 0);
  }
  site.gateways.clear();
  const std::string database = site.home.store_paths().database;
  test::downgrade_database(site);
  BOOST_REQUIRE(schema_of(database).starts_with("version 1\n"));
  const std::string log_before = site.log();
  const std::map<std::string, std::string> settings = {{"SEALPOST_HOME", site.home.root()},
                                                       {"SEALPOST_LOG", site.folder / "log"}};
  {
    WriteLock lock(site.home.store_paths().write_lock);
    std::optional<WriteLock::Guard> hold(lock.acquire());
    site.start_gateways();
    Process tool({test::program("sealpost"), "--home", site.home.root(), "client", "list"},
                 site.folder / "listed");
    std::vector<pid_t> all = {tool.id()};
    for (const Process& one : site.gateways) all.push_back(one.id());
    std::deque<test::FastcgiPeer> askers;  // one gateway may have taken all the clients
    eventually("all of them want to migrate", [&] {
      askers.emplace_back(site.socket()).request(before.form, false, settings);
      return waiting(all) == all.size();
    });
    BOOST_TEST(schema_of(database).starts_with("version 1\n"));
    hold.reset();
    BOOST_TEST(tool.wait(std::chrono::seconds(10)).value_or(-1) == 0);
  }
  BOOST_TEST(says(read_text(site.folder / "listed"), "client7"));
  BOOST_TEST(peer.post(peer.seal(peer.message("peer-2"))).status == "accepted",
             "in the session of before");
  BOOST_TEST(test::post_form(site.url(), before.form).status == 409, "it is known");
  traffic.wait_for(3);
  traffic.stop();

  const std::string log = site.log().substr(log_before.size());
  BOOST_TEST(!says(log, "unavailable"), log.substr(0, 2000));
  BOOST_TEST(schema_of(database) == test::newest_schema());
  const RunResult doctor = site.operate({"doctor"});
  BOOST_TEST(says(doctor.out, "ok      The database is intact."), doctor.out);
  test::expect_each_exactly_once(traffic, site, {"peer-1", "peer-2"});
}

}  // namespace
}  // namespace sealpost
