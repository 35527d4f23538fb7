// Backup and restore.
#define BOOST_TEST_MODULE backup
#include "store/backup.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <thread>

#include "base/encoding.h"
#include "store/health.h"
#include "store/issuance_log.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/issuance.h"
#include "support/print.h"
#include "support/process.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::issue;
using test::Peer;
using test::says;

BOOST_AUTO_TEST_CASE(backup_omits_sessions_and_has_mode_0600) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send("kept");
  const std::string keys = fixture.sql("SELECT hex(sealed_keys) FROM session_key");
  Database database = fixture.database();
  const std::string file = fixture.folder / "backup.db";
  back_up(database, file);
  BOOST_CHECK_EXCEPTION(back_up(database, file), Fault,
                        [](auto& f) { return says(f, "exists already"); });
  SQLite::Database copy(file);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM session").getInt() == 0);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM session_key").getInt() == 0);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM handshake").getInt() == 0);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM message").getInt() == 1);
  const auto mode = std::filesystem::status(file).permissions();
  BOOST_TEST((mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)));
  const Bytes sealed = test::from_hex(keys).value();
  BOOST_TEST(
      test::read_text(file).find(std::string(sealed.begin(), sealed.end())) == std::string::npos,
      "not even in free pages");
}

BOOST_AUTO_TEST_CASE(restore_rejects_other_backups_and_changes_nothing) {
  GatewayFixture fixture;
  GatewayFixture other;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send();
  const std::string foreign = fixture.folder / "foreign.db";
  {
    Database database = other.database();
    back_up(database, foreign);
  }
  const std::string before = fixture.dump();
  const auto rejected = [&](const std::string& file, const char* word) {
    BOOST_CHECK_EXCEPTION(
        restore(fixture.home.store_paths(), fixture.home.server_id(), file, fixture.now), Fault,
        [&](auto& f) { return says(f, word); });
    BOOST_TEST(fixture.dump() == before);
  };
  test::write_text(fixture.folder / "rubbish.db", std::string(10'000, 'x'));
  test::write_text(fixture.folder / "empty.db", "");
  SQLite::Database(fixture.folder / "unlike.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec("CREATE TABLE t (x)");
  rejected(foreign, "foreign.db is a backup of another server, with other master keys");
  rejected(fixture.folder / "absent.db", "does not exist");
  rejected(fixture.folder / "rubbish.db", "rubbish.db is no sealpost backup, or it is damaged");
  rejected(fixture.folder / "empty.db", "empty.db is empty");
  rejected(fixture.folder / "unlike.db", "unlike.db is a database, but no sealpost backup");
  rejected(fixture.folder.path(), "is a directory");
  const std::string good = fixture.folder / "good.db";
  {
    Database database = fixture.database();
    back_up(database, good);
  }
  if (geteuid() == 0) return;  // root writes everywhere
  std::filesystem::permissions(fixture.home.root(), std::filesystem::perms(0500));
  rejected(good, "good.db into the home");
  std::filesystem::permissions(fixture.home.root(), std::filesystem::perms(0700));
  for (const auto& entry : std::filesystem::directory_iterator(fixture.home.root())) {
    BOOST_TEST(entry.path().string().find(".restore") == std::string::npos,
               "nothing half-made is left");
  }
}

BOOST_AUTO_TEST_CASE(failed_backup_names_requested_path) {
  GatewayFixture fixture;
  Database database = fixture.database();
  std::filesystem::create_directory(fixture.folder / "closed");
  std::filesystem::permissions(fixture.folder / "closed", std::filesystem::perms::none);
  const std::pair<std::string, const char*> rows[] = {
      {fixture.folder.path(), "is a directory"},
      {fixture.folder / "none/b.db", "none/b.db: No such file or directory"},
      {fixture.folder / "closed/b.db", "closed/b.db: Permission denied"},
  };
  for (const auto& row : rows) {
    BOOST_CHECK_EXCEPTION(back_up(database, row.first), Fault,
                          [&](auto& f) { return says(f, row.second) && !says(f, ".unfinished"); });
  }
}

BOOST_AUTO_TEST_CASE(restore_over_database_in_use_fails_and_changes_nothing) {
  GatewayFixture fixture;
  (void)fixture.client();
  const std::string backup = fixture.folder / "backup";
  {
    Database database = fixture.database();
    back_up(database, backup);
  }
  const std::string epoch = fixture.sql("SELECT hex(epoch) FROM server");
  SQLite::Database locker(fixture.home.store_paths().database, SQLite::OPEN_READWRITE);
  locker.exec("BEGIN IMMEDIATE");
  BOOST_CHECK_THROW(
      (void)restore(fixture.home.store_paths(), fixture.home.server_id(), backup, fixture.now),
      Fault);
  locker.exec("ROLLBACK");
  BOOST_TEST(fixture.sql("SELECT hex(epoch) FROM server") == epoch);
}

// Whether a process waits for a lock on a file.
bool has_waiter(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  const std::string inode = ":" + std::to_string(status.st_ino) + " ";
  std::istringstream locks(test::read_text("/proc/locks"));
  for (std::string line; std::getline(locks, line);) {
    if (line.find("-> FLOCK") != std::string::npos && line.find(inode) != std::string::npos)
      return true;
  }
  return false;
}

BOOST_AUTO_TEST_CASE(restore_keeps_concurrent_revocation) {
  GatewayFixture fixture;
  (void)fixture.client();
  const std::string backup = fixture.folder / "backup";
  Database database = fixture.database();
  back_up(database, backup);
  const StorePaths paths = fixture.home.store_paths();
  std::thread restoring;
  {
    Write write(database);  // like a `client revoke` that is running
    restoring =
        std::thread([&] { (void)restore(paths, fixture.home.server_id(), backup, fixture.now); });
    test::eventually("the restore waits", [&] { return has_waiter(paths.write_lock); });
    append_issuance(paths.issuance_log, issue("client1", 2, Issuance::Kind::kRevoke));
    write.commit();
  }
  restoring.join();
  BOOST_TEST(fixture.sql("SELECT revoked_at IS NOT NULL FROM client") == "1");
}

BOOST_AUTO_TEST_CASE(restore_replaces_damaged_database_and_keeps_it_aside) {
  GatewayFixture other;
  const std::string foreign = other.folder / "foreign.db";
  {
    Database database = other.database();
    back_up(database, foreign);
  }
  for (const std::string& live :
       {std::string(), std::string(20'000, 'x'), test::read_text(foreign)}) {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.handshake();
    peer.send("kept");
    const std::string file = fixture.folder / "backup.db";
    {
      Database database = fixture.database();
      back_up(database, file);
      (void)database.trim_wal(true);  // so that what names the server is in the file alone
    }
    peer.send("lost");
    const std::string path = fixture.home.store_paths().database;
    test::write_text(path, live);
    const std::string aside =
        restore(fixture.home.store_paths(), fixture.home.server_id(), file, fixture.now).kept_as;
    BOOST_TEST(aside.starts_with(path + ".damaged-"));
    BOOST_TEST((test::read_text(aside) == live));
    BOOST_TEST(!std::filesystem::exists(path + "-wal"), "its WAL was removed with it");
    peer.next = 1;
    BOOST_TEST(peer.handshake().status == "accepted", "the gateway finds the new file");
    BOOST_TEST(peer.send("after").status == "accepted");
    BOOST_TEST(fixture.inbox().size() == 2U);
    Database database = fixture.database();
    BOOST_TEST(check_health(database).damage.empty());
  }
}

BOOST_AUTO_TEST_CASE(new_database_ignores_wal_of_lost_database) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  for (int i = 0; i < 20; ++i) peer.send(std::string(500, 'x'));
  fixture.restart();
  const StorePaths paths = fixture.home.store_paths();
  BOOST_REQUIRE(std::filesystem::file_size(paths.database + "-wal") > 0U);
  std::filesystem::remove(paths.database);
  fixture.home.create(fixture.now);
  BOOST_TEST(fixture.inbox().empty());
  BOOST_TEST(peer.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(restore_without_database_applies_newer_issuances) {
  GatewayFixture fixture;
  const std::string file = fixture.folder / "backup.db";
  {
    Database database = fixture.database();
    back_up(database, file);
  }
  Peer since = fixture.client("since");
  fixture.restart();
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::remove(fixture.home.store_paths().database + part);
  }
  restore(fixture.home.store_paths(), fixture.home.server_id(), file, fixture.now);
  BOOST_TEST(fixture.sql("SELECT epoch_reason FROM server") == "restore");
  BOOST_TEST(since.handshake().status == "accepted");
}

}  // namespace
}  // namespace sealpost
