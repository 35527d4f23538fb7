// What the gateway writes about requests, and what it leaves in its files.
#define BOOST_TEST_MODULE gateway_log
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
