// What the gateway writes about requests, and what it leaves in its files.
#define BOOST_TEST_MODULE gateway_log
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "support/client_in_session.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::ClientInSession;

BOOST_AUTO_TEST_CASE(logs_one_line_per_request_without_secrets) {
  ClientInSession s;
  s.peer.send("a body nobody should read", "telemetry/room");
  s.fixture.wire()("garbage");
  s.fixture.wire()("encrypted_message=EgEC");
  std::istringstream lines(s.fixture.log());
  std::vector<nlohmann::json> entries;
  for (std::string line; std::getline(lines, line);) entries.push_back(nlohmann::json::parse(line));
  BOOST_REQUIRE(entries.size() == 5U);
  BOOST_TEST(entries[0]["outcome"] == "session");
  BOOST_TEST(entries[1]["outcome"] == "accepted");
  BOOST_TEST(entries[1]["topic"] == "sealpost/ping");
  const nlohmann::json& sent = entries[2];
  BOOST_TEST(sent["outcome"] == "accepted");
  BOOST_TEST(sent["name"] == "client1");
  BOOST_TEST(sent["topic"] == "telemetry/room");
  BOOST_TEST(sent["number"] == s.fixture.inbox()[0].number);
  BOOST_TEST(sent.contains("us"));
  BOOST_TEST(sent["time"] == iso_time(s.fixture.now));
  BOOST_TEST(entries[3]["outcome"] == "rejected");
  BOOST_TEST(entries[3]["reason"] == "form");
  BOOST_TEST(!entries[3].contains("name"));
  BOOST_TEST(entries[4]["reason"] == "record_length");
  BOOST_TEST((entries[3]["id"] != entries[4]["id"]));

  const std::string log = s.fixture.log();
  BOOST_TEST(log.find("nobody should read") == std::string::npos);
  for (const ByteView secret :
       {ByteView(s.peer.credential.client_key.reveal()), ByteView(s.peer.keys->c2s.reveal()),
        ByteView(s.peer.keys->s2c.reveal()), ByteView(s.peer.credential.key_use_hmac)}) {
    BOOST_TEST(log.find(base64url(secret)) == std::string::npos);
    BOOST_TEST(log.find(hex(secret)) == std::string::npos);
  }
}

std::vector<nlohmann::json> entries_of(const std::string& log) {
  std::istringstream lines(log);
  std::vector<nlohmann::json> entries;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) entries.push_back(nlohmann::json::parse(line));
  }
  return entries;
}

BOOST_AUTO_TEST_CASE(sums_rejections_in_one_line_a_minute_and_reason) {
  test::GatewayFixture fixture;
  const auto log = [&] { return entries_of(fixture.log()); };
  for (int i = 0; i < 2000; ++i) fixture.wire()(i % 2 == 0 ? "garbage" : "encrypted_message=EgEC");
  BOOST_REQUIRE(log().size() == 2U);
  fixture.now += Milliseconds{59'999};
  fixture.gateway().do_housekeeping(fixture.now, false);
  BOOST_TEST(log().size() == 2U, "the minute is not over");
  fixture.now += Milliseconds{1};
  fixture.gateway().do_housekeeping(fixture.now, false);
  BOOST_REQUIRE(log().size() == 4U);
  for (const nlohmann::json& sum : {log()[2], log()[3]}) {
    BOOST_TEST(sum["outcome"] == "rejected");
    BOOST_TEST(sum["count"] == 999);
  }
  fixture.wire()("garbage");
  fixture.gateway().do_housekeeping(fixture.now, true);
  BOOST_TEST_REQUIRE(log().size() == 5U, "at exit");
  BOOST_TEST(!log()[4].contains("count"));
}

BOOST_AUTO_TEST_CASE(joins_short_lines_of_handler) {
  test::TempDir folder;
  std::string errors;
  for (int i = 0; i < 32768; ++i) errors += "x\n";
  { Log(folder / "log").handler(1, 1, "client1", errors, system_now()); }
  BOOST_TEST(test::read_text(folder / "log").size() < 2 * errors.size());
}

BOOST_AUTO_TEST_CASE(fifo_without_reader_does_not_block) {
  test::TempDir folder;
  const std::string path = folder / "log";
  BOOST_REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  test::GatewayFixture fixture;
  fixture.set(kLog, path);
  BOOST_TEST(fixture.wire()("garbage").status == 400);

  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Log log(path);
  LogEntry entry;
  entry.name = "client1";
  for (int i = 0; i < 5000; ++i) log.request(entry, system_now());  // more than a pipe holds
  log.flush();
  std::string drained(1U << 20, '\0');
  BOOST_TEST(read(reader, drained.data(), drained.size()) > 0);
  log.request(entry, system_now());
  log.flush();
  drained.assign(1U << 20, '\0');
  const ssize_t got = read(reader, drained.data(), drained.size());
  BOOST_REQUIRE(got > 0);
  drained.resize(static_cast<std::size_t>(got));
  BOOST_TEST(drained.find("lines of the log were lost") != std::string::npos, drained);
  close(reader);
}

BOOST_AUTO_TEST_CASE(log_at_its_size_limit_loses_lines_and_counts_them) {
  signal(SIGXFSZ, SIG_IGN);  // as sealpost.fcgi does
  test::TempDir folder;
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  Log log(folder / "log");
  LogEntry entry;
  entry.name = "client1";
  const rlimit tight{200, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  for (int i = 0; i < 5; ++i) log.request(entry, system_now());
  log.flush();
  setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST(test::read_text(folder / "log").size() == 200U);
  log.request(entry, system_now());
  log.flush();
  const std::string text = test::read_text(folder / "log");
  BOOST_TEST(text.find("\n{\"time\"", 199) == 200U, "a line that was cut ends");
  BOOST_TEST(text.find("lines of the log were lost: File too large") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(writes_rejection_counts_at_most_every_ten_seconds) {
  ClientInSession s;
  s.fixture.wire()("garbage");
  s.fixture.wire()("garbage");
  const Message message = s.peer.message();
  s.peer.send(message);
  s.peer.send(message);
  const std::string before = s.fixture.dump();
  Gateway& gateway = s.fixture.gateway();
  const auto count = [&](const char* name, const char* outcome) {
    return s.fixture.sql(std::string("SELECT count FROM tally WHERE name = '") + name +
                         "' AND outcome = '" + outcome + "'");
  };
  gateway.do_housekeeping(s.fixture.now, false);
  BOOST_TEST(count("", "form") == "2");
  BOOST_TEST(count("client1", "duplicate") == "1");
  s.fixture.wire()("garbage");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{9'999}, false);
  BOOST_TEST(count("", "form") == "2", "not yet");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "2", "rejections alone write nothing");
  s.peer.send();
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'000}, false);
  BOOST_TEST(count("", "form") == "3");
  s.fixture.wire()("garbage");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{10'001}, true);
  BOOST_TEST(count("", "form") == "4", "at exit");

  Database database = s.fixture.database();
  std::int64_t accepted = 0;
  for (const StatsRow& row : Inbox(database).stats()) {
    if (row.outcome == "accepted") accepted += row.count;
  }
  BOOST_TEST(accepted == 3, "the ping and two messages");
}

BOOST_AUTO_TEST_CASE(leaves_no_key_of_ended_session_in_any_file) {
  ClientInSession s;
  const auto lies_in_a_file = [&](const std::string& bytes) {
    const auto parts = {"", "-wal", "-shm"};
    return std::any_of(parts.begin(), parts.end(), [&](const char* part) {
      const std::string file = test::read_text(s.fixture.home.store_paths().database + part);
      return file.find(bytes) != std::string::npos;
    });
  };
  const std::string hexadecimal = s.fixture.sql("SELECT hex(sealed_keys) FROM session_key");
  const Bytes keys = test::from_hex(hexadecimal).value();
  const std::string first(text_of(keys));
  BOOST_TEST(lies_in_a_file(first));
  Gateway& gateway = s.fixture.gateway();
  gateway.do_housekeeping(s.fixture.now, false);
  s.peer.handshake();
  BOOST_TEST(s.peer.send().status == "accepted");
  BOOST_TEST(lies_in_a_file(first), "the WAL still has them");
  BOOST_TEST(!gateway.is_housekeeping_done());
  gateway.do_housekeeping(s.fixture.now + Milliseconds{299'999}, false);
  BOOST_TEST(lies_in_a_file(first), "not yet");
  gateway.do_housekeeping(s.fixture.now + Milliseconds{300'000}, false);
  BOOST_TEST(!lies_in_a_file(first));
  BOOST_TEST(gateway.is_housekeeping_done());
}

}  // namespace
}  // namespace sealpost
