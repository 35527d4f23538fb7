// The issuance log: what it keeps, and how damaged lines are treated.
#define BOOST_TEST_MODULE issuance_log
#include "store/issuance_log.h"

#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "store/backup.h"
#include "store/health.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/issuance.h"
#include "support/print.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::issue;
using test::Peer;
using test::says;

BOOST_AUTO_TEST_CASE(issuance_log_keeps_newest_entry_of_each_name) {
  const test::TempDir folder;
  const std::string path = folder / "issued";
  BOOST_TEST(read_issuance_log(path).empty(), "no file says nothing");
  append_issuance(path, issue("a", 1));
  append_issuance(path, issue("b", 1));
  append_issuance(path, issue("a", 2));
  append_issuance(path, issue("a", 3, Issuance::Kind::kRevoke));
  const auto issues = read_issuance_log(path);
  BOOST_REQUIRE(issues.size() == 2U);
  BOOST_TEST(issues.at("a").generation == 3U);
  BOOST_TEST((issues.at("a").kind == Issuance::Kind::kRevoke));
  BOOST_TEST(issues.at("a").at == time_from_ms(1003));
  BOOST_TEST(issues.at("b").claims == R"({"role":"r"})");
}

BOOST_AUTO_TEST_CASE(skips_and_replaces_line_torn_by_crash) {
  const test::TempDir folder;
  const std::string path = folder / "issued";
  append_issuance(path, issue("a", 1));
  test::write_text(path, test::read_text(path) + R"({"at":5,"do":"iss)");
  BOOST_TEST(read_issuance_log(path).size() == 1U);
  append_issuance(path, issue("b", 1));
  BOOST_TEST(read_issuance_log(path).size() == 2U);
}

BOOST_AUTO_TEST_CASE(reads_last_line_without_newline) {
  const test::TempDir folder;
  const std::string path = folder / "issued";
  append_issuance(path, issue("a", 1));
  append_issuance(path, issue("a", 2, Issuance::Kind::kRevoke));
  std::string text = test::read_text(path);
  text.pop_back();
  test::write_text(path, text);
  BOOST_TEST(read_issuance_log(path).at("a").generation == 2U);
  append_issuance(path, issue("b", 1));
  BOOST_TEST(read_issuance_log(path).at("a").generation == 2U);
  BOOST_TEST(read_issuance_log(path).size() == 2U);
}

BOOST_AUTO_TEST_CASE(unreadable_issuance_log_is_reported_and_kept) {
  if (geteuid() == 0) return;  // nothing is unreadable to root; tests/run runs as another user
  const test::TempDir folder;
  const std::string path = folder / "issued";
  append_issuance(path, issue("a", 1));
  const std::string before = test::read_text(path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_write);
  BOOST_CHECK_THROW((void)read_issuance_log(path), Fault);
  BOOST_CHECK_THROW(append_issuance(path, issue("b", 1)), Fault);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  BOOST_TEST(test::read_text(path) == before);
}

BOOST_AUTO_TEST_CASE(starts_no_epoch_without_issuance_log_of_existing_clients) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  const std::string backup = fixture.folder / "backup";
  {
    Database database = fixture.database();
    back_up(database, backup);
  }
  std::filesystem::remove(fixture.home.store_paths().issuance_log);
  BOOST_CHECK_EXCEPTION(
      (void)restore(fixture.home.store_paths(), fixture.home.server_id(), backup, fixture.now),
      Fault, [](const Fault& fault) { return says(fault, "which clients are revoked"); });
}

BOOST_AUTO_TEST_CASE(names_unreadable_line_of_issuance_log) {
  const test::TempDir folder;
  const std::string path = folder / "issued";
  append_issuance(path, issue("a", 1));
  for (const char* bad : {"rubbish\n", "{}\n",
                          R"({"at":1,"do":"fly","name":"a","generation":1,"kid":1,"claims":{}})"
                          "\n",
                          R"({"at":1,"do":"issue","name":"-","generation":1,"kid":1,"claims":{}})"
                          "\n"}) {
    const std::string before = test::read_text(path);
    test::write_text(path, before + bad);
    BOOST_CHECK_EXCEPTION((void)read_issuance_log(path), Fault,
                          [](const Fault& f) { return says(f, "line 2"); });
    test::write_text(path, before);
  }
}

BOOST_AUTO_TEST_CASE(new_database_applies_issuance_log) {
  GatewayFixture fixture;
  Peer kept = fixture.client("kept");
  Peer revoked = fixture.client("revoked");
  Peer removed = fixture.client("removed");
  {
    Database database = fixture.database();
    Clients clients(database);
    clients.revoke("revoked", fixture.now);
    clients.remove("removed", fixture.now);
  }
  fixture.restart();
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::remove(fixture.home.store_paths().database + part);
  }
  fixture.home.create(fixture.now);
  BOOST_TEST(kept.handshake().status == "accepted");
  BOOST_TEST(revoked.handshake().status == "revoked");
  BOOST_TEST(removed.handshake().status == "revoked");
  BOOST_TEST(fixture.sql("SELECT claims FROM client WHERE name = 'kept'") ==
             R"({"role":"sensor"})");
}

}  // namespace
}  // namespace sealpost
