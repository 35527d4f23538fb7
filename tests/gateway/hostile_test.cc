// A gateway behind a real web server, and everybody else against it: attackers, crashes, broken
// disks.
#define BOOST_TEST_MODULE hostile
#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "store/schema.h"
#include "support/adversary.h"
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

std::string sql(const test::Site& site, const std::string& statement) {
  SQLite::Database at(site.home.store_paths().database, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement query(at, statement);
  return query.executeStep() ? query.getColumn(0).getString() : "";
}

// The database's content, and the sizes and times of its files.
std::string fingerprint(const test::Site& site) {
  std::string all;
  for (const char* part : {"", "-wal"}) {
    all += base64url(
        crypto::sha256({bytes_of(test::read_text(site.home.store_paths().database + part))}));
  }
  return all;
}

BOOST_AUTO_TEST_CASE(rejects_captured_request_with_any_byte_changed) {
  NginxSite site;
  Peer peer = site.client();
  peer.name_in_clear = peer.hmac_in_clear = true;
  BOOST_TEST(post_form(site.url(), "x").status == 400);
  peer.handshake();
  BOOST_TEST(peer.send("first").status == "accepted");
  // Beside a message that is written, and behind its answer, what was refused before is counted.
  test::eventually("the tally", [&] { return sql(site, "SELECT count(*) FROM tally") != "0"; });
  const std::string captured = peer.seal(peer.message("captured")).form();
  const std::string before = fingerprint(site);
  for (std::size_t i = 0; i < captured.size(); ++i) {
    std::string changed = captured;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const test::Reply reply = post_form(site.url(), changed);
    BOOST_TEST((reply.status == 400 || reply.status == 403),
               "byte " << i << " gave " << reply.status);
    BOOST_TEST(reply.type == "text/plain", "byte " << i);
  }
  BOOST_TEST(fingerprint(site) == before, "not a byte was written");
  BOOST_TEST(post_form(site.url(), captured).status == 200, "the unchanged one is taken");
  BOOST_TEST(site.bodies() == "first\ncaptured\n");
}

BOOST_AUTO_TEST_CASE(accepts_one_message_once_from_64_threads_to_four_processes) {
  NginxSite site({.processes = 4, .arguments = {"--threads", "2"}, .keep = true});
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send("first").status == "accepted");
  for (int round = 0; round < 5; ++round) {
    const std::string form = peer.seal(peer.message("round " + std::to_string(round))).form();
    std::atomic<int> accepted = 0;
    std::atomic<int> duplicate = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 64; ++i) {
      threads.emplace_back([&] {
        const int status = post_form(site.url(), form).status;
        accepted += status == 200;
        duplicate += status == 409;
      });
    }
    for (std::thread& thread : threads) thread.join();
    BOOST_TEST(accepted == 1);
    BOOST_TEST(duplicate == 63);
  }
  BOOST_TEST(site.inbox().size() == 6U);
}

BOOST_AUTO_TEST_CASE(accepts_counters_in_any_order_inside_window) {
  NginxSite site({.processes = 2});
  Peer peer = site.client();
  peer.handshake();
  const auto send = [&](std::uint64_t counter) {
    peer.next = counter;
    return peer.send(std::to_string(counter)).status;
  };
  for (const std::uint64_t counter : {7, 3, 5, 4, 6, 0, 2, 1})
    BOOST_TEST(send(counter) == "accepted");
  BOOST_TEST(send(2000) == "accepted");
  BOOST_TEST(send(2001 - kWindow) == "accepted", "the oldest inside");
  BOOST_TEST(send(2000 - kWindow) == "too_old", "one older");
  BOOST_TEST(send(7) == "too_old");
}

BOOST_AUTO_TEST_CASE(accepted_message_survives_sigkill_and_replay_is_rejected) {
  NginxSite site({.processes = 2});
  Peer peer = site.client();
  peer.handshake();
  std::vector<std::string> forms;
  for (int i = 0; i < 20; ++i) {
    const test::RoundTrip sent = peer.send(std::to_string(i));
    BOOST_TEST(sent.status == "accepted");
    forms.push_back(sent.form);
    if (i % 5 == 4) {
      site.kill_gateways();
      BOOST_TEST(post_form(site.url(), sent.form).status == 502, "nobody is there");
      site.start_gateways();
      for (const std::string& form : forms) BOOST_TEST(post_form(site.url(), form).status == 409);
    }
  }
  BOOST_TEST(site.inbox().size() == 20U);
  BOOST_TEST(sql(site, "PRAGMA integrity_check") == "ok");
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
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // that is what dripping is
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

// --- The database in trouble: 503, nothing accepted, the log says why ---

void in_trouble(const std::string& word, const std::function<void(NginxSite&)>& trouble,
                const std::function<void(NginxSite&)>& mend) {
  BOOST_TEST_CONTEXT(word) {
    NginxSite site;
    Peer peer = site.client();
    peer.handshake();
    BOOST_TEST(peer.send("before").status == "accepted");
    trouble(site);
    const Message message = peer.message("during");
    const test::RoundTrip sent = peer.send(message);
    BOOST_TEST(sent.reply.status == 503);
    BOOST_TEST(sent.reply.body == "unavailable\n");
    BOOST_TEST(peer.handshake().reply.status == 503);
    BOOST_TEST(site.last_line().find(word) != std::string::npos, site.last_line());
    mend(site);
    BOOST_TEST(peer.send(message).status == "accepted", "and then it goes on");
    BOOST_TEST(site.bodies() == "before\nduring\n");
  }
}

std::string database_of(const NginxSite& site) { return site.home.store_paths().database; }

BOOST_AUTO_TEST_CASE(answers_503_without_database) {
  in_trouble(
      "missing",
      [](NginxSite& site) {
        sql(site, "PRAGMA wal_checkpoint(TRUNCATE)");
        std::filesystem::rename(database_of(site), database_of(site) + ".away");
      },
      [](NginxSite& site) {
        BOOST_TEST(!std::filesystem::exists(database_of(site)), "none is made in its place");
        std::filesystem::rename(database_of(site) + ".away", database_of(site));
      });
}

BOOST_AUTO_TEST_CASE(answers_503_for_read_only_database) {
  if (geteuid() == 0) return;  // nothing is read-only to root; tests/run runs as another user
  in_trouble(
      "cannot be written",
      [](NginxSite& site) {
        site.kill_gateways();
        for (const char* part : {"", "-wal", "-shm"}) {
          std::filesystem::permissions(database_of(site) + part,
                                       std::filesystem::perms::owner_read);
        }
        site.start_gateways();
      },
      [](NginxSite& site) {
        for (const char* part : {"", "-wal", "-shm"}) {
          std::filesystem::permissions(
              database_of(site) + part,
              std::filesystem::perms::owner_write | std::filesystem::perms::owner_read);
        }
      });
}

BOOST_AUTO_TEST_CASE(answers_503_if_database_stays_locked) {
  std::unique_ptr<SQLite::Database> locker;
  in_trouble(
      "locked by another program",
      [&](NginxSite& site) {
        locker =
            std::make_unique<SQLite::Database>(database_of(site), SQLite::OPEN_READWRITE, 5000);
        locker->exec("BEGIN IMMEDIATE");
      },
      [&](NginxSite&) { locker.reset(); });
}

BOOST_AUTO_TEST_CASE(answers_503_for_corrupt_database) {
  in_trouble(
      "damaged",
      [](NginxSite& site) {
        sql(site, "PRAGMA wal_checkpoint(TRUNCATE)");
        site.kill_gateways();
        std::filesystem::copy_file(database_of(site), database_of(site) + ".good");
        std::string bytes = test::read_text(database_of(site));
        for (std::size_t i = 0; i < bytes.size(); i += 7)
          bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
        test::write_text(database_of(site), bytes);
        site.start_gateways();
      },
      [](NginxSite& site) {
        for (const char* part : {"", "-wal", "-shm"})
          std::filesystem::remove(database_of(site) + part);
        std::filesystem::rename(database_of(site) + ".good", database_of(site));
      });
}

BOOST_AUTO_TEST_CASE(answers_503_for_newer_schema) {
  in_trouble(
      "schema 99",
      [](NginxSite& site) {
        sql(site, "PRAGMA user_version = 99");
        site.kill_gateways();
        site.start_gateways();
      },
      [](NginxSite& site) {
        sql(site, "PRAGMA user_version = " + std::to_string(migrations().size()));
      });
}

BOOST_AUTO_TEST_CASE(restored_home_rejects_old_messages_after_its_client_has_sent) {
  NginxSite site({.processes = 2});
  Peer peer = site.client();
  peer.handshake();
  BOOST_TEST(peer.send("before").status == "accepted");
  site.kill_gateways();
  std::filesystem::copy(site.home.root(), site.folder / "copy",
                        std::filesystem::copy_options::recursive);
  site.start_gateways();
  const test::RoundTrip after = peer.send("after");
  BOOST_TEST(after.status == "accepted");

  site.kill_gateways();
  std::filesystem::remove_all(site.home.root());
  std::filesystem::copy(site.folder / "copy", site.home.root(),
                        std::filesystem::copy_options::recursive);
  site.start_gateways();
  BOOST_TEST(site.bodies() == "before\n");

  BOOST_TEST(peer.send("proof").reply.status == 403, "its receipt proves the rollback");
  BOOST_TEST(post_form(site.url(), after.form).status == 403, "the old bytes act no more");
  BOOST_TEST(site.log().find("\"alarm\":\"rollback\"") != std::string::npos);
  BOOST_TEST(peer.handshake().status == "accepted");
  BOOST_TEST(peer.send("again").status == "accepted");
  BOOST_TEST(post_form(site.url(), after.form).status == 403);
  BOOST_TEST(site.bodies() == "before\nagain\n");
}

// --- Endurance ---

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
  if (sanitizer != nullptr && *sanitizer != '\0') return;  // they keep freed memory on purpose
  BOOST_TEST(resident_kib(id) < memory + 2048, "from " << memory << " KiB");
}

// --- The client's tool against someone on the way ---

test::RunResult client_tool(const std::string& state, std::vector<std::string> words) {
  words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
  return test::run(words);
}

BOOST_AUTO_TEST_CASE(clients_deliver_exactly_once_through_adversary) {
  NginxSite site({.processes = 2});
  const unsigned seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  test::Adversary adversary(site.url(), seed);
  constexpr int kClients = 3;
  constexpr int kMessages = 12;
  std::vector<std::thread> threads;
  std::atomic<bool> all_settled = true;
  for (int i = 0; i < kClients; ++i) {
    const std::string name = "client" + std::to_string(i);
    const std::string credential = site.credential(name, adversary.url());
    threads.emplace_back([&, name, credential] {
      const std::string state = site.folder / name;
      const auto until_settled = [&](std::vector<std::string> words) {
        int status = client_tool(state, std::move(words)).status;
        for (int tries = 0; status == 3 && tries < 20; ++tries) {
          status = client_tool(state, {"flush"}).status;
        }
        if (status != 0) all_settled = false;
      };
      until_settled({"install", credential});
      for (int number = 0; number < kMessages; ++number) {
        until_settled({"send", "--data", name + "-" + std::to_string(number)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(all_settled);
  std::multiset<std::string> stored;
  for (const InboxRow& row : site.inbox()) stored.emplace(text_of(row.body));
  for (int i = 0; i < kClients; ++i) {
    for (int number = 0; number < kMessages; ++number) {
      const std::string body = "client" + std::to_string(i) + "-" + std::to_string(number);
      BOOST_TEST(stored.count(body) == 1U, body);
    }
  }
  BOOST_TEST(stored.size() == static_cast<std::size_t>(kClients * kMessages));
  BOOST_TEST(adversary.counts.swallowed > 0);
  BOOST_TEST(adversary.counts.answers_lost > 0);
  BOOST_TEST(adversary.counts.doubled > 0);
  BOOST_TEST(adversary.counts.replayed > 0);
}

BOOST_AUTO_TEST_CASE(detects_copied_client_state_and_stores_nothing_twice) {
  NginxSite site;
  const std::string one = site.folder / "one";
  const std::string two = site.folder / "two";
  BOOST_REQUIRE(client_tool(one, {"install", site.credential("client1", site.url())}).status == 0);
  BOOST_REQUIRE(client_tool(one, {"send", "--data", "1"}).status == 0);
  std::filesystem::copy(one, two, std::filesystem::copy_options::recursive);
  BOOST_TEST(client_tool(one, {"send", "--data", "from one"}).status == 0);
  const test::RunResult clash = client_tool(two, {"send", "--data", "from two"});
  BOOST_TEST(clash.status == 4);
  BOOST_TEST(clash.err.find("Two copies") != std::string::npos, clash.err);
  BOOST_TEST(site.log().find("\"alarm\":\"conflict\"") != std::string::npos);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(client_tool(two, {"send", "--data", "two " + std::to_string(i)}).status == 0);
    BOOST_TEST(client_tool(one, {"send", "--data", "one " + std::to_string(i)}).status == 0);
  }
  const test::RunResult last = client_tool(two, {"send", "--data", "end"});
  BOOST_TEST(last.err.find("in use elsewhere") != std::string::npos, last.err);
  BOOST_TEST(site.bodies() == "1\nfrom one\ntwo 0\none 0\ntwo 1\none 1\ntwo 2\none 2\nend\n");
}

}  // namespace
}  // namespace sealpost
