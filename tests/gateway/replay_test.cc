// Captured, repeated and reordered messages at real gateways.
#define BOOST_TEST_MODULE replay
#include <SQLiteCpp/SQLiteCpp.h>

#include <boost/test/unit_test.hpp>
#include <thread>

#include "base/encoding.h"
#include "support/site.h"

namespace sealpost {
namespace {

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
  // Earlier rejections are counted when a message is written, after its answer.
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

}  // namespace
}  // namespace sealpost
