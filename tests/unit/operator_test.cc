// The operator's side of the store: the file of issues, the tracker of clients, the inbox, copies.
#define BOOST_TEST_MODULE operator
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <thread>

#include "admin/diagnose.h"
#include "base/encoding.h"
#include "store/backup.h"
#include "store/health.h"
#include "store/issuance_log.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"
#include "support/process.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;

bool says(const std::exception& error, const std::string& word) {
  return std::string(error.what()).find(word) != std::string::npos;
}

Issuance issue(const std::string& name, Generation generation,
               Issuance::Kind kind = Issuance::Kind::kIssue) {
  return {kind, name, generation, 1, R"({"role":"r"})", time_from_ms(1000 + generation)};
}

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

BOOST_AUTO_TEST_CASE(clients_reject_impossible_changes_and_name_the_remedy) {
  GatewayFixture fixture;
  Database database = fixture.database();
  Clients tracker(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  BOOST_TEST(tracker.add("a", 1, claims, fixture.now) == 1U);
  BOOST_CHECK_EXCEPTION(tracker.add("a", 1, claims, fixture.now), Fault,
                        [](auto& f) { return says(f, "renew"); });
  BOOST_CHECK_EXCEPTION(tracker.renew("b", 1, claims, fixture.now), Fault,
                        [](auto& f) { return says(f, "no client b"); });
  BOOST_CHECK_THROW(tracker.revoke("b", fixture.now), Fault);
  BOOST_CHECK_THROW(tracker.remove("b", fixture.now), Fault);
  BOOST_CHECK_THROW((void)tracker.find("b"), Fault);
  BOOST_TEST(tracker.renew("a", 1, claims, fixture.now) == 2U);
  tracker.revoke("a", fixture.now);
  BOOST_TEST(tracker.find("a").revoked_at.value() == fixture.now);
  BOOST_TEST(tracker.renew("a", 1, claims, fixture.now) == 4U);
  BOOST_TEST(!tracker.find("a").revoked_at.has_value());
  tracker.remove("a", fixture.now);
  BOOST_TEST(tracker.list().empty());
  BOOST_TEST(tracker.add("a", 1, claims, fixture.now) == 6U, "generations never go back");
}

BOOST_AUTO_TEST_CASE(new_database_applies_issuance_log) {
  GatewayFixture fixture;
  Peer kept = fixture.client("kept");
  Peer revoked = fixture.client("revoked");
  Peer removed = fixture.client("removed");
  {
    Database database = fixture.database();
    Clients tracker(database);
    tracker.revoke("revoked", fixture.now);
    tracker.remove("removed", fixture.now);
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

BOOST_AUTO_TEST_CASE(lists_and_ends_sessions) {
  GatewayFixture fixture;
  Peer one = fixture.client("one");
  Peer two = fixture.client("two");
  one.handshake();
  one.send();
  two.handshake();
  Database database = fixture.database();
  Clients tracker(database);
  const auto rows = tracker.sessions(fixture.now);
  BOOST_REQUIRE(rows.size() == 2U);
  BOOST_TEST(rows[0].name == "one");
  BOOST_TEST(rows[0].active);
  BOOST_TEST(!rows[1].active);
  BOOST_TEST(tracker.end_sessions("one") == 1);
  BOOST_TEST(one.send().reply.status == 403);
  BOOST_TEST(tracker.end_sessions(std::nullopt) == 1);
  BOOST_TEST(tracker.sessions(fixture.now).empty());
}

BOOST_AUTO_TEST_CASE(lists_inbox_by_number_topic_and_name) {
  GatewayFixture fixture;
  Peer one = fixture.client("one");
  Peer two = fixture.client("two");
  one.handshake();
  two.handshake();
  one.send("1", "a");
  two.send("2", "a");
  one.send("3", "b");
  one.send("", "sealpost/ping");
  Database database = fixture.database();
  Inbox inbox(database);
  const auto bodies = [&](const InboxFilter& filter) {
    std::string all;
    inbox.list(filter, [&](const InboxRow& row) { all += text_of(row.body); });
    return all;
  };
  BOOST_TEST(bodies({}) == "123");
  BOOST_TEST(bodies({.after = 1}) == "23");
  BOOST_TEST(bodies({.topic = "a"}) == "12");
  BOOST_TEST(bodies({.name = "one"}) == "13");
  BOOST_TEST(bodies({.limit = 2}) == "12");
  BOOST_TEST(text_of(inbox.find(2).body) == "2");
  BOOST_CHECK_THROW((void)inbox.find(99), Fault);
  BOOST_CHECK_THROW((void)inbox.find(4), Fault);  // the ping
  BOOST_TEST(inbox.last() == 4);
}

BOOST_AUTO_TEST_CASE(pruning_keeps_replay_records_and_counts_deletions) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  std::vector<Envelope> sent;
  for (const std::uint64_t counter : {0, 1, 2000, 2001}) {
    peer.next = counter;
    sent.push_back(peer.seal(peer.message("body")));
    BOOST_TEST(peer.post(sent.back()).status == "accepted");
  }
  fixture.now += kHour;
  Database database = fixture.database();
  Inbox inbox(database);
  BOOST_TEST(inbox.prune(fixture.now - 2 * kHour).deleted == 0, "nothing is that old");
  const Inbox::Pruned pruned = inbox.prune(fixture.now);
  BOOST_TEST(pruned.deleted == 2, "0 and 1 lie below the window");
  BOOST_TEST(pruned.emptied == 2, "2000 and 2001 inside it");
  BOOST_TEST(fixture.inbox().empty());
  BOOST_TEST(fixture.sql("SELECT count(*) FROM message") == "2");
  BOOST_TEST(peer.post(sent[0]).status == "too_old");
  BOOST_TEST(peer.post(sent[2]).status == "duplicate", "an emptied row still knows its message");
  BOOST_TEST(inbox.prune(fixture.now).emptied == 0, "twice is once");

  const auto stats = inbox.stats();
  BOOST_REQUIRE(stats.size() == 1U);
  BOOST_TEST(stats[0].outcome == "accepted");
  BOOST_TEST(stats[0].count == 4, "deleted ones are still counted");
  peer.next = 2002;
  peer.send();
  BOOST_TEST(fixture.inbox().at(0).number == 5, "numbers are never given out twice");
}

BOOST_AUTO_TEST_CASE(pruning_works_in_steps_and_deletes_removed_clients) {
  GatewayFixture fixture;
  Peer peer = fixture.client("gone");
  peer.handshake();
  for (int i = 0; i < 1500; ++i) BOOST_REQUIRE(peer.send().status == "accepted");
  Peer stays = fixture.client("stays");
  stays.handshake();
  stays.send();
  Database database = fixture.database();
  Clients(database).remove("gone", fixture.now);
  const Inbox::Pruned pruned = Inbox(database).prune(fixture.now + Milliseconds{1});
  BOOST_TEST(pruned.deleted == 1500);
  BOOST_TEST(pruned.emptied == 1);
  BOOST_TEST(fixture.sql("SELECT group_concat(name) FROM installation") == "stays");
}

BOOST_AUTO_TEST_CASE(pruning_keeps_newest_row) {
  GatewayFixture fixture;
  Peer peer = fixture.client("gone");
  peer.handshake();
  peer.send();
  peer.send();
  Database database = fixture.database();
  Clients(database).remove("gone", fixture.now);
  (void)Inbox(database).prune(fixture.now + Milliseconds{1});
  BOOST_TEST(fixture.sql("SELECT group_concat(id) FROM message") == "2");
}

BOOST_AUTO_TEST_CASE(backup_omits_sessions_and_has_mode_0600) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send("kept");
  const std::string keys = fixture.sql("SELECT hex(sealed_keys) FROM session");
  Database database = fixture.database();
  const std::string file = fixture.folder / "backup.db";
  back_up(database, file);
  BOOST_CHECK_EXCEPTION(back_up(database, file), Fault,
                        [](auto& f) { return says(f, "exists already"); });
  SQLite::Database copy(file);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM session").getInt() == 0);
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
  const auto refused = [&](const std::string& file, const char* word) {
    BOOST_CHECK_EXCEPTION(
        restore(fixture.home.store_paths(), fixture.home.server_id(), file, fixture.now), Fault,
        [&](auto& f) { return says(f, word); });
    BOOST_TEST(fixture.dump() == before);
  };
  test::write_text(fixture.folder / "rubbish.db", std::string(10'000, 'x'));
  test::write_text(fixture.folder / "empty.db", "");
  SQLite::Database(fixture.folder / "unlike.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec("CREATE TABLE t (x)");
  refused(foreign, "foreign.db is a backup of another server, with other master keys");
  refused(fixture.folder / "absent.db", "does not exist");
  refused(fixture.folder / "rubbish.db", "rubbish.db is no sealpost backup, or it is damaged");
  refused(fixture.folder / "empty.db", "empty.db is empty");
  refused(fixture.folder / "unlike.db", "unlike.db is a database, but no sealpost backup");
  refused(fixture.folder.path(), "is a directory");
  const std::string good = fixture.folder / "good.db";
  {
    Database database = fixture.database();
    back_up(database, good);
  }
  if (geteuid() == 0) return;  // root writes everywhere
  std::filesystem::permissions(fixture.home.root(), std::filesystem::perms(0500));
  refused(good, "good.db into the home");
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

// Whether somebody waits for a lock on a file.
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
    Write write(database);  // as a `client revoke` that is just at work
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
    }
    peer.send("lost");
    const std::string path = fixture.home.store_paths().database;
    test::write_text(path, live);
    const std::string aside =
        restore(fixture.home.store_paths(), fixture.home.server_id(), file, fixture.now);
    BOOST_TEST(aside.starts_with(path + ".damaged-"));
    BOOST_TEST((test::read_text(aside) == live));
    BOOST_TEST(!std::filesystem::exists(path + "-wal"), "what lay beside it has gone with it");
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

int broken(const std::vector<CheckResult>& findings, const std::string& word) {
  int count = 0;
  for (const CheckResult& finding : findings) {
    count +=
        finding.kind == CheckResult::Kind::kBroken && finding.what.find(word) != std::string::npos;
  }
  return count;
}

BOOST_AUTO_TEST_CASE(doctor_accepts_healthy_home) {
  GatewayFixture fixture;
  fixture.client().handshake();
  BOOST_TEST(broken(examine(fixture.home, fixture.now), "") == 0);
}

BOOST_AUTO_TEST_CASE(doctor_reports_each_problem) {
  namespace fs = std::filesystem;
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "chmod 700") == 1);
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.keys_folder() + "/1.key", fs::perms::others_read,
                    fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "chmod 600") == 1);
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root() + "/gate", fs::perms::others_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "/gate is open") == 1);
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.keys_folder() + "/1.key", "short\n");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "1.key") == 1);
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.keys_folder() + "/issued", "rubbish\n");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "issued: line 1") == 1);
  }
  {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.handshake();
    peer.send();
    BOOST_TEST(broken(examine(fixture.home, fixture.now - kHour), "Set the clock") == 1);
  }
  {
    GatewayFixture fixture;
    fixture.restart();
    fs::remove(fixture.home.store_paths().database);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "sealpost.db is missing") >= 1);
  }
  {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.handshake();
    for (int i = 0; i < 50; ++i) peer.send(std::string(500, 'x'));
    fixture.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    fixture.restart();
    std::string bytes = test::read_text(fixture.home.store_paths().database);
    for (std::size_t i = bytes.size() - 30'000; i < bytes.size() - 8'000; ++i) bytes[i] = 'x';
    test::write_text(fixture.home.store_paths().database, bytes);
    const auto findings = examine(fixture.home, fixture.now);
    BOOST_TEST(broken(findings, "damaged") >= 1);
    BOOST_TEST(broken(findings, "\n") == 0, "one line a finding");
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root(), fs::perms::group_read, fs::perm_options::add);
    fs::permissions(fixture.home.root() + "/gate", fs::perms::group_read, fs::perm_options::add);
    fs::permissions(fixture.home.keys_folder(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "is open to other users") == 3,
               "every one");
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.root() + "/handler", "");
    fs::permissions(fixture.home.root() + "/handler", fs::perms(0755));
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "Run `chmod 700") == 1,
               "still a program");
  }
  {
    GatewayFixture fixture;
    fs::remove(fixture.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "holds no master key") == 1);
  }
  {
    GatewayFixture fixture;
    (void)fixture.client("a");
    (void)fixture.client("revoked");
    Database database = fixture.database();
    Clients(database).revoke("revoked", fixture.now);
    fixture.home.add_key();
    fs::remove(fixture.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "Key 1 of the client a does not exist") ==
               1);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "revoked does not exist") == 0);
  }
  {
    GatewayFixture fixture;
    (void)fixture.client("a");
    fs::remove(fixture.home.store_paths().issuance_log);
    BOOST_TEST(broken(examine(fixture.home, fixture.now),
                      "No credential of the client a is on record") == 1);
  }
}

BOOST_AUTO_TEST_CASE(doctor_reports_home_below_document_root) {
  const test::TempDir folder;
  const auto made_at = [&](const std::string& place) {
    std::filesystem::create_directories(folder / place);
    Home home(folder / place + "/home");
    home.create(system_now());
    return home;
  };
  const auto served = [](const Home& home) {
    return broken(examine(home, system_now()),
                  "which looks like a directory that the web server serves");
  };
  BOOST_TEST(served(made_at("private")) == 0, "its own .htaccess is no sign");
  BOOST_TEST(served(made_at("public_html/gate")) == 1);
  BOOST_TEST(served(made_at("www")) == 1);
  const Home home = made_at("site/deep");
  for (const char* file : {"index.html", "index.php", ".htaccess"}) {
    test::write_text(folder / "site" + "/" + file, "");
    BOOST_TEST(served(home) == 1, file);
    std::filesystem::remove(folder / "site" + "/" + file);
  }
  BOOST_TEST(served(home) == 0);
}

// A folder that is not this user's.
std::string another_users(const test::TempDir& folder) {
  if (geteuid() != 0) return "/usr";
  std::filesystem::create_directory(folder / "theirs");
  BOOST_REQUIRE(chown((folder / "theirs").c_str(), 65'534, 65'534) == 0);
  return folder / "theirs";
}

BOOST_AUTO_TEST_CASE(doctor_reports_another_users_home_once) {
  const test::TempDir folder;
  const Home home(another_users(folder));
  BOOST_CHECK_EXCEPTION(home.require_ours(), Fault, [](auto& f) {
    return says(f, "belongs to ") && says(f, "as that user: sudo -u ");
  });
  BOOST_CHECK_THROW(home.create(system_now()), Fault);
  const auto findings = examine(home, system_now());
  BOOST_TEST(findings.size() == 1U);
  BOOST_TEST(broken(findings, "belongs to ") == 1);
}

BOOST_AUTO_TEST_CASE(doctor_tells_unreachable_path_from_missing_one) {
  if (geteuid() == 0) return;  // root reaches all
  GatewayFixture fixture;
  std::filesystem::permissions(fixture.folder.path(), std::filesystem::perms::none);
  const auto unreachable = [](const Fault& f) {
    return says(f, " cannot open ") && !says(f, "missing");
  };
  BOOST_CHECK_EXCEPTION(fixture.home.require_private(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION((void)fixture.home.server_id(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION(fixture.home.require_ours(), Fault, unreachable);
  std::filesystem::permissions(fixture.folder.path(), std::filesystem::perms::owner_all);
}

BOOST_AUTO_TEST_CASE(creates_home_once_and_completes_missing_parts) {
  const test::TempDir folder;
  const Home home(folder / "home");
  home.create(system_now());
  BOOST_CHECK_EXCEPTION(home.create(system_now()), Fault,
                        [](auto& f) { return says(f, "home already"); });
  const ServerId id = home.server_id();
  std::filesystem::remove(home.store_paths().database);
  home.create(system_now());
  BOOST_TEST((home.server_id() == id), "the keys are kept");
}

BOOST_AUTO_TEST_CASE(rejects_home_folder_open_to_others) {
  const test::TempDir folder;
  std::filesystem::create_directory(folder / "open");
  std::filesystem::permissions(folder / "open", std::filesystem::perms(0755));
  const Home home(folder / "open");
  BOOST_CHECK_EXCEPTION(home.create(system_now()), Fault,
                        [](auto& f) { return says(f, "chmod 700"); });
  BOOST_TEST(std::filesystem::is_empty(folder / "open"));
}

BOOST_AUTO_TEST_CASE(rejects_file_as_home) {
  const test::TempDir folder;
  test::write_text(folder / "sealpost", "a program");
  BOOST_CHECK_EXCEPTION(Home(folder / "sealpost").create(system_now()), Fault, [](auto& f) {
    return says(f, "is a file, not a directory. Name a directory with --home.");
  });
}

BOOST_AUTO_TEST_CASE(home_has_htaccess_that_denies_access) {
  const GatewayFixture fixture;
  const std::string file = fixture.home.root() + "/.htaccess";
  BOOST_TEST(test::read_text(file).find("Require all denied") != std::string::npos);
  BOOST_TEST(test::read_text(file).find("Deny from all") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(does_not_replace_lost_keys_of_existing_database) {
  namespace fs = std::filesystem;
  GatewayFixture fixture;
  (void)fixture.client();
  const auto refused = [&](const char* word) {
    BOOST_CHECK_EXCEPTION(fixture.home.create(fixture.now), Fault,
                          [&](auto& f) { return says(f, word) && says(f, "from a copy"); });
  };
  const StorePaths paths = fixture.home.store_paths();
  fs::rename(fixture.home.keys_folder(), fixture.folder / "copy");
  refused("server_id is lost");
  BOOST_TEST(!fs::exists(fixture.home.keys_folder()), "nothing was written");
  fs::rename(fixture.folder / "copy", fixture.home.keys_folder());
  fs::rename(fixture.home.keys_folder() + "/1.key", fixture.folder / "1.key");
  BOOST_CHECK_EXCEPTION(fixture.home.add_key(), Fault, [](auto& f) { return says(f, "copy"); });
  fs::remove(paths.database);
  refused("holds no master key");
  fs::remove(fixture.home.keys_folder() + "/server_id");
  refused("server_id is lost");
  BOOST_TEST(!fs::exists(paths.database));
}

BOOST_AUTO_TEST_CASE(never_reuses_retired_kid) {
  GatewayFixture fixture;
  BOOST_TEST(fixture.home.add_key() == 2);
  Database database = fixture.database();
  Clients tracker(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  tracker.add("a", 2, claims, fixture.now);
  fixture.home.remove_key(2);
  tracker.renew("a", 1, claims, fixture.now);
  BOOST_TEST(fixture.home.add_key() == 3, "the file of issues knows of 2");
  BOOST_TEST(fixture.home.add_key(7) == 8, "and the database may know of more");
}

BOOST_AUTO_TEST_CASE(answers_503_without_master_key) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  std::filesystem::rename(fixture.home.keys_folder() + "/1.key", fixture.folder / "1.key");
  BOOST_TEST(peer.handshake().reply.status == 503);
  BOOST_TEST(peer.send().reply.status == 503);
  BOOST_TEST(fixture.wire()("encrypted_message=EgAA").status == 503, "a stranger, too");
  std::filesystem::rename(fixture.folder / "1.key", fixture.home.keys_folder() + "/1.key");
  BOOST_TEST(peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(running_gateway_follows_key_changes) {
  GatewayFixture fixture;
  Peer old = fixture.client("old");
  BOOST_TEST(old.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  BOOST_TEST(fixture.home.add_key() == 2);
  BOOST_TEST(fixture.home.newest_kid() == 2);
  Peer fresh = fixture.client("fresh");
  BOOST_TEST(fresh.credential.kid == 2);
  BOOST_TEST(fresh.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  fixture.home.remove_key(1);
  BOOST_TEST(old.send().reply.status == 403);
  BOOST_TEST(old.handshake().reply.status == 403);
  BOOST_TEST(fresh.send().status == "accepted");
  BOOST_CHECK_EXCEPTION(fixture.home.remove_key(1), Fault,
                        [](auto& f) { return says(f, "no key 1"); });
  BOOST_CHECK_EXCEPTION(fixture.home.remove_key(2), Fault,
                        [](auto& f) { return says(f, "rotate"); });
}

}  // namespace
}  // namespace sealpost
