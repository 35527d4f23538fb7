// Databases that are missing, read-only, locked, corrupt or too new.
#define BOOST_TEST_MODULE database_failure
#include <SQLiteCpp/SQLiteCpp.h>

#include <boost/test/unit_test.hpp>

#include "store/schema.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::NginxSite;
using test::Peer;

std::string sql(const test::Site& site, const std::string& statement) {
  SQLite::Database at(site.home.store_paths().database, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement query(at, statement);
  return query.executeStep() ? query.getColumn(0).getString() : "";
}

void expect_503_while_damaged(const std::string& word,
                              const std::function<void(NginxSite&)>& damage,
                              const std::function<void(NginxSite&)>& repair) {
  BOOST_TEST_CONTEXT(word) {
    NginxSite site;
    Peer peer = site.client();
    peer.handshake();
    BOOST_TEST(peer.send("before").status == "accepted");
    damage(site);
    const Message message = peer.message("during");
    const test::RoundTrip sent = peer.send(message);
    BOOST_TEST(sent.reply.status == 503);
    BOOST_TEST(sent.reply.body == "unavailable\n");
    BOOST_TEST(peer.handshake().reply.status == 503);
    BOOST_TEST(site.last_line().find(word) != std::string::npos, site.last_line());
    repair(site);
    BOOST_TEST(peer.send(message).status == "accepted", "and then it goes on");
    BOOST_TEST(site.bodies() == "before\nduring\n");
  }
}

std::string database_of(const NginxSite& site) { return site.home.store_paths().database; }

BOOST_AUTO_TEST_CASE(answers_503_without_database) {
  expect_503_while_damaged(
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
  expect_503_while_damaged(
      "Cannot write the database",
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
  expect_503_while_damaged(
      "Another program locked the database",
      [&](NginxSite& site) {
        locker =
            std::make_unique<SQLite::Database>(database_of(site), SQLite::OPEN_READWRITE, 5000);
        locker->exec("BEGIN IMMEDIATE");
      },
      [&](NginxSite&) { locker.reset(); });
}

BOOST_AUTO_TEST_CASE(answers_503_for_corrupt_database) {
  expect_503_while_damaged(
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
  expect_503_while_damaged(
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

}  // namespace
}  // namespace sealpost
