// The operator's side of the store: the file of issues, the book of clients, the inbox, copies.
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
#include "store/issuance_log.h"
#include "support/house.h"
#include "support/process.h"

namespace sealpost {
namespace {

using test::Peer;
using test::TestHouse;

bool says(const std::exception& error, const std::string& word) {
  return std::string(error.what()).find(word) != std::string::npos;
}

Issuance issue(const std::string& name, Generation generation,
               Issuance::Kind kind = Issuance::Kind::kIssue) {
  return {kind, name, generation, 1, R"({"role":"r"})", 1000 + generation};
}

BOOST_AUTO_TEST_CASE(the_file_of_issues_keeps_the_last_word_on_each_name) {
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
  BOOST_TEST(issues.at("a").at == 1003U);
  BOOST_TEST(issues.at("b").claims == R"({"role":"r"})");
}

BOOST_AUTO_TEST_CASE(a_line_torn_off_by_a_crash_is_passed_over_and_replaced) {
  const test::TempDir folder;
  const std::string path = folder / "issued";
  append_issuance(path, issue("a", 1));
  test::write_text(path, test::read_text(path) + R"({"at":5,"do":"iss)");
  BOOST_TEST(read_issuance_log(path).size() == 1U);
  append_issuance(path, issue("b", 1));
  BOOST_TEST(read_issuance_log(path).size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_last_line_that_a_person_forgot_to_end_counts) {
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

BOOST_AUTO_TEST_CASE(a_file_of_issues_that_cannot_be_read_says_so_and_stays) {
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

BOOST_AUTO_TEST_CASE(without_the_file_of_issues_no_epoch_begins_for_clients_that_are_there) {
  TestHouse house;
  Peer peer = house.client();
  const std::string backup = house.folder / "backup";
  {
    Database database = house.database();
    back_up(database, backup);
  }
  std::filesystem::remove(house.home.store_paths().issuance_log);
  BOOST_CHECK_EXCEPTION(
      (void)restore(house.home.store_paths(), house.home.server_id(), backup, house.now), Fault,
      [](const Fault& fault) { return says(fault, "who was revoked"); });
}

BOOST_AUTO_TEST_CASE(a_line_that_cannot_be_read_is_named) {
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

BOOST_AUTO_TEST_CASE(the_book_of_clients_refuses_what_cannot_be_and_says_the_mend) {
  TestHouse house;
  Database database = house.database();
  Clients book(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  BOOST_TEST(book.add("a", 1, claims, house.now) == 1U);
  BOOST_CHECK_EXCEPTION(book.add("a", 1, claims, house.now), Fault,
                        [](auto& f) { return says(f, "renew"); });
  BOOST_CHECK_EXCEPTION(book.renew("b", 1, claims, house.now), Fault,
                        [](auto& f) { return says(f, "no client b"); });
  BOOST_CHECK_THROW(book.revoke("b", house.now), Fault);
  BOOST_CHECK_THROW(book.remove("b", house.now), Fault);
  BOOST_CHECK_THROW((void)book.find("b"), Fault);
  BOOST_TEST(book.renew("a", 1, claims, house.now) == 2U);
  book.revoke("a", house.now);
  BOOST_TEST(book.find("a").revoked_at.value() == house.now);
  BOOST_TEST(book.renew("a", 1, claims, house.now) == 4U);
  BOOST_TEST(!book.find("a").revoked_at.has_value());
  book.remove("a", house.now);
  BOOST_TEST(book.list().empty());
  BOOST_TEST(book.add("a", 1, claims, house.now) == 6U, "generations never go back");
}

BOOST_AUTO_TEST_CASE(a_fresh_database_takes_over_the_file_of_issues) {
  TestHouse house;
  Peer kept = house.client("kept");
  Peer revoked = house.client("revoked");
  Peer removed = house.client("removed");
  {
    Database database = house.database();
    Clients book(database);
    book.revoke("revoked", house.now);
    book.remove("removed", house.now);
  }
  house.restart();
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::remove(house.home.store_paths().database + part);
  }
  house.home.create(house.now);
  BOOST_TEST(kept.handshake().status == "accepted");
  BOOST_TEST(revoked.handshake().status == "revoked");
  BOOST_TEST(removed.handshake().status == "revoked");
  BOOST_TEST(house.sql("SELECT claims FROM client WHERE name = 'kept'") == R"({"role":"sensor"})");
}

BOOST_AUTO_TEST_CASE(sessions_can_be_listed_and_ended) {
  TestHouse house;
  Peer one = house.client("one");
  Peer two = house.client("two");
  one.handshake();
  one.send();
  two.handshake();
  Database database = house.database();
  Clients book(database);
  const auto rows = book.sessions(house.now);
  BOOST_REQUIRE(rows.size() == 2U);
  BOOST_TEST(rows[0].name == "one");
  BOOST_TEST(rows[0].active);
  BOOST_TEST(!rows[1].active);
  BOOST_TEST(book.end_sessions("one") == 1);
  BOOST_TEST(one.send().reply.status == 403);
  BOOST_TEST(book.end_sessions(std::nullopt) == 1);
  BOOST_TEST(book.sessions(house.now).empty());
}

BOOST_AUTO_TEST_CASE(the_inbox_is_listed_by_number_topic_and_name) {
  TestHouse house;
  Peer one = house.client("one");
  Peer two = house.client("two");
  one.handshake();
  two.handshake();
  one.send("1", "a");
  two.send("2", "a");
  one.send("3", "b");
  one.send("", "sealpost/ping");
  Database database = house.database();
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

BOOST_AUTO_TEST_CASE(pruning_keeps_what_guards_against_replays_and_counts_what_it_deletes) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  std::vector<Envelope> sent;
  for (const std::uint64_t counter : {0, 1, 2000, 2001}) {
    peer.next = counter;
    sent.push_back(peer.seal(peer.message("body")));
    BOOST_TEST(peer.post(sent.back()).status == "accepted");
  }
  house.now += kHour;
  Database database = house.database();
  Inbox inbox(database);
  BOOST_TEST(inbox.prune(house.now - 2 * kHour).deleted == 0, "nothing is that old");
  const Inbox::Pruned pruned = inbox.prune(house.now);
  BOOST_TEST(pruned.deleted == 2, "0 and 1 lie below the window");
  BOOST_TEST(pruned.emptied == 2, "2000 and 2001 inside it");
  BOOST_TEST(house.inbox().empty());
  BOOST_TEST(house.sql("SELECT count(*) FROM message") == "2");
  BOOST_TEST(peer.post(sent[0]).status == "too_old");
  BOOST_TEST(peer.post(sent[2]).status == "duplicate", "an emptied row still knows its message");
  BOOST_TEST(inbox.prune(house.now).emptied == 0, "twice is once");

  const auto stats = inbox.stats();
  BOOST_REQUIRE(stats.size() == 1U);
  BOOST_TEST(stats[0].outcome == "accepted");
  BOOST_TEST(stats[0].count == 4, "deleted ones are still counted");
  peer.next = 2002;
  peer.send();
  BOOST_TEST(house.inbox().at(0).number == 5, "numbers are never given out twice");
}

BOOST_AUTO_TEST_CASE(pruning_goes_in_steps_and_forgets_removed_clients_wholly) {
  TestHouse house;
  Peer peer = house.client("gone");
  peer.handshake();
  for (int i = 0; i < 1500; ++i) BOOST_REQUIRE(peer.send().status == "accepted");
  Peer stays = house.client("stays");
  stays.handshake();
  stays.send();
  Database database = house.database();
  Clients(database).remove("gone", house.now);
  const Inbox::Pruned pruned = Inbox(database).prune(house.now + 1);
  BOOST_TEST(pruned.deleted == 1500);
  BOOST_TEST(pruned.emptied == 1);
  BOOST_TEST(house.sql("SELECT group_concat(name) FROM installation") == "stays");
}

BOOST_AUTO_TEST_CASE(the_newest_row_stays_whatever_is_pruned) {
  TestHouse house;
  Peer peer = house.client("gone");
  peer.handshake();
  peer.send();
  peer.send();
  Database database = house.database();
  Clients(database).remove("gone", house.now);
  (void)Inbox(database).prune(house.now + 1);
  BOOST_TEST(house.sql("SELECT group_concat(id) FROM message") == "2");
}

BOOST_AUTO_TEST_CASE(a_backup_leaves_sessions_out_and_is_the_owners_alone) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  peer.send("kept");
  const std::string keys = house.sql("SELECT hex(sealed_keys) FROM session");
  Database database = house.database();
  const std::string file = house.folder / "backup.db";
  back_up(database, file);
  BOOST_CHECK_EXCEPTION(back_up(database, file), Fault,
                        [](auto& f) { return says(f, "exists already"); });
  SQLite::Database copy(file);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM session").getInt() == 0);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM handshake").getInt() == 0);
  BOOST_TEST(copy.execAndGet("SELECT count(*) FROM message").getInt() == 1);
  const auto mode = std::filesystem::status(file).permissions();
  BOOST_TEST((mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)));
  const Bytes sealed = from_hex(keys).value();
  BOOST_TEST(
      test::read_text(file).find(std::string(sealed.begin(), sealed.end())) == std::string::npos,
      "not even in free pages");
}

BOOST_AUTO_TEST_CASE(a_restore_takes_only_this_servers_backups_and_changes_nothing_otherwise) {
  TestHouse house;
  TestHouse other;
  Peer peer = house.client();
  peer.handshake();
  peer.send();
  const std::string foreign = house.folder / "foreign.db";
  {
    Database database = other.database();
    back_up(database, foreign);
  }
  const std::string before = house.dump();
  const auto refused = [&](const std::string& file, const char* word) {
    BOOST_CHECK_EXCEPTION(
        restore(house.home.store_paths(), house.home.server_id(), file, house.now), Fault,
        [&](auto& f) { return says(f, word); });
    BOOST_TEST(house.dump() == before);
  };
  test::write_text(house.folder / "rubbish.db", std::string(10'000, 'x'));
  test::write_text(house.folder / "empty.db", "");
  SQLite::Database(house.folder / "unlike.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec("CREATE TABLE t (x)");
  refused(foreign, "foreign.db is a backup of another server, with other master keys");
  refused(house.folder / "absent.db", "there is no file");
  refused(house.folder / "rubbish.db", "rubbish.db is no sealpost backup, or damaged");
  refused(house.folder / "empty.db", "empty.db is empty");
  refused(house.folder / "unlike.db", "unlike.db is a database, but no sealpost backup");
  refused(house.folder.path(), "is a folder");
  const std::string good = house.folder / "good.db";
  {
    Database database = house.database();
    back_up(database, good);
  }
  if (geteuid() == 0) return;  // root writes everywhere
  std::filesystem::permissions(house.home.root(), std::filesystem::perms(0500));
  refused(good, "good.db could not be copied into the home");
  std::filesystem::permissions(house.home.root(), std::filesystem::perms(0700));
  for (const auto& entry : std::filesystem::directory_iterator(house.home.root())) {
    BOOST_TEST(entry.path().string().find(".restore") == std::string::npos,
               "nothing half-made is left");
  }
}

BOOST_AUTO_TEST_CASE(a_backup_that_cannot_be_written_names_what_was_asked_for) {
  TestHouse house;
  Database database = house.database();
  std::filesystem::create_directory(house.folder / "closed");
  std::filesystem::permissions(house.folder / "closed", std::filesystem::perms::none);
  const std::pair<std::string, const char*> rows[] = {
      {house.folder.path(), "is a folder"},
      {house.folder / "none/b.db", "none/b.db cannot be written (No such file or directory)"},
      {house.folder / "closed/b.db", "closed/b.db cannot be written (Permission denied)"},
  };
  for (const auto& row : rows) {
    BOOST_CHECK_EXCEPTION(back_up(database, row.first), Fault,
                          [&](auto& f) { return says(f, row.second) && !says(f, ".unfinished"); });
  }
}

BOOST_AUTO_TEST_CASE(a_restore_over_a_database_in_use_says_so_and_changes_nothing) {
  TestHouse house;
  (void)house.client();
  const std::string backup = house.folder / "backup";
  {
    Database database = house.database();
    back_up(database, backup);
  }
  const std::string epoch = house.sql("SELECT hex(epoch) FROM server");
  SQLite::Database locker(house.home.store_paths().database, SQLite::OPEN_READWRITE);
  locker.exec("BEGIN IMMEDIATE");
  BOOST_CHECK_THROW(
      (void)restore(house.home.store_paths(), house.home.server_id(), backup, house.now), Fault);
  locker.exec("ROLLBACK");
  BOOST_TEST(house.sql("SELECT hex(epoch) FROM server") == epoch);
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

BOOST_AUTO_TEST_CASE(a_revocation_that_a_restore_waits_for_is_not_lost) {
  TestHouse house;
  (void)house.client();
  const std::string backup = house.folder / "backup";
  Database database = house.database();
  back_up(database, backup);
  const StorePaths paths = house.home.store_paths();
  std::thread restoring;
  {
    Write write(database);  // as a `client revoke` that is just at work
    restoring =
        std::thread([&] { (void)restore(paths, house.home.server_id(), backup, house.now); });
    test::eventually("the restore waits", [&] { return has_waiter(paths.write_lock); });
    append_issuance(paths.issuance_log, issue("client1", 2, Issuance::Kind::kRevoke));
    write.commit();
  }
  restoring.join();
  BOOST_TEST(house.sql("SELECT revoked_at IS NOT NULL FROM client") == "1");
}

BOOST_AUTO_TEST_CASE(a_restore_works_over_a_database_that_is_beyond_use_and_keeps_it) {
  TestHouse other;
  const std::string foreign = other.folder / "foreign.db";
  {
    Database database = other.database();
    back_up(database, foreign);
  }
  for (const std::string& live :
       {std::string(), std::string(20'000, 'x'), test::read_text(foreign)}) {
    TestHouse house;
    Peer peer = house.client();
    peer.handshake();
    peer.send("kept");
    const std::string file = house.folder / "backup.db";
    {
      Database database = house.database();
      back_up(database, file);
    }
    peer.send("lost");
    const std::string path = house.home.store_paths().database;
    test::write_text(path, live);
    const std::string aside =
        restore(house.home.store_paths(), house.home.server_id(), file, house.now);
    BOOST_TEST(aside.starts_with(path + ".damaged-"));
    BOOST_TEST((test::read_text(aside) == live));
    BOOST_TEST(!std::filesystem::exists(path + "-wal"), "what lay beside it has gone with it");
    peer.next = 1;
    BOOST_TEST(peer.handshake().status == "accepted", "the gateway finds the new file");
    BOOST_TEST(peer.send("after").status == "accepted");
    BOOST_TEST(house.inbox().size() == 2U);
    Database database = house.database();
    BOOST_TEST(examine(database).damage.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_new_database_does_not_take_over_what_lay_beside_a_lost_one) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  for (int i = 0; i < 20; ++i) peer.send(std::string(500, 'x'));
  house.restart();
  const StorePaths paths = house.home.store_paths();
  BOOST_REQUIRE(std::filesystem::file_size(paths.database + "-wal") > 0U);
  std::filesystem::remove(paths.database);
  house.home.create(house.now);
  BOOST_TEST(house.inbox().empty());
  BOOST_TEST(peer.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_restore_works_without_a_database_and_takes_issues_made_since) {
  TestHouse house;
  const std::string file = house.folder / "backup.db";
  {
    Database database = house.database();
    back_up(database, file);
  }
  Peer since = house.client("since");
  house.restart();
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::remove(house.home.store_paths().database + part);
  }
  restore(house.home.store_paths(), house.home.server_id(), file, house.now);
  BOOST_TEST(house.sql("SELECT epoch_reason FROM server") == "restore");
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

BOOST_AUTO_TEST_CASE(the_doctor_finds_a_healthy_home_healthy) {
  TestHouse house;
  house.client().handshake();
  BOOST_TEST(broken(examine(house.home, house.now), "") == 0);
}

BOOST_AUTO_TEST_CASE(the_doctor_finds_what_is_wrong) {
  namespace fs = std::filesystem;
  {
    TestHouse house;
    fs::permissions(house.home.root(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(house.home, house.now), "chmod 700") == 1);
  }
  {
    TestHouse house;
    fs::permissions(house.home.keys_folder() + "/1.key", fs::perms::others_read,
                    fs::perm_options::add);
    BOOST_TEST(broken(examine(house.home, house.now), "chmod 600") == 1);
  }
  {
    TestHouse house;
    fs::permissions(house.home.root() + "/gate", fs::perms::others_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(house.home, house.now), "/gate is open") == 1);
  }
  {
    TestHouse house;
    test::write_text(house.home.keys_folder() + "/1.key", "short\n");
    BOOST_TEST(broken(examine(house.home, house.now), "1.key") == 1);
  }
  {
    TestHouse house;
    test::write_text(house.home.keys_folder() + "/issued", "rubbish\n");
    BOOST_TEST(broken(examine(house.home, house.now), "issued, line 1") == 1);
  }
  {
    TestHouse house;
    Peer peer = house.client();
    peer.handshake();
    peer.send();
    BOOST_TEST(broken(examine(house.home, house.now - kHour), "Set the clock") == 1);
  }
  {
    TestHouse house;
    house.restart();
    fs::remove(house.home.store_paths().database);
    BOOST_TEST(broken(examine(house.home, house.now), "sealpost.db is missing") >= 1);
  }
  {
    TestHouse house;
    Peer peer = house.client();
    peer.handshake();
    for (int i = 0; i < 50; ++i) peer.send(std::string(500, 'x'));
    house.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    house.restart();
    std::string bytes = test::read_text(house.home.store_paths().database);
    for (std::size_t i = bytes.size() - 30'000; i < bytes.size() - 8'000; ++i) bytes[i] = 'x';
    test::write_text(house.home.store_paths().database, bytes);
    const auto findings = examine(house.home, house.now);
    BOOST_TEST(broken(findings, "damaged") >= 1);
    BOOST_TEST(broken(findings, "\n") == 0, "one line a finding");
  }
  {
    TestHouse house;
    fs::permissions(house.home.root(), fs::perms::group_read, fs::perm_options::add);
    fs::permissions(house.home.root() + "/gate", fs::perms::group_read, fs::perm_options::add);
    fs::permissions(house.home.keys_folder(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(house.home, house.now), "is open to other users") == 3, "every one");
  }
  {
    TestHouse house;
    test::write_text(house.home.root() + "/handler", "");
    fs::permissions(house.home.root() + "/handler", fs::perms(0755));
    BOOST_TEST(broken(examine(house.home, house.now), "Run `chmod 700") == 1, "still a program");
  }
  {
    TestHouse house;
    fs::remove(house.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(house.home, house.now), "holds no master key") == 1);
  }
  {
    TestHouse house;
    (void)house.client("a");
    (void)house.client("revoked");
    Database database = house.database();
    Clients(database).revoke("revoked", house.now);
    house.home.add_key();
    fs::remove(house.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(house.home, house.now), "Key 1 of the client a does not exist") == 1);
    BOOST_TEST(broken(examine(house.home, house.now), "revoked does not exist") == 0);
  }
  {
    TestHouse house;
    (void)house.client("a");
    fs::remove(house.home.store_paths().issuance_log);
    BOOST_TEST(broken(examine(house.home, house.now), "No credential of the client a is on record") == 1);
  }
}

BOOST_AUTO_TEST_CASE(the_doctor_finds_a_home_that_the_web_may_serve) {
  const test::TempDir folder;
  const auto made_at = [&](const std::string& place) {
    std::filesystem::create_directories(folder / place);
    Home home(folder / place + "/home");
    home.create(system_now());
    return home;
  };
  const auto served = [](const Home& home) {
    return broken(examine(home, system_now()), "which looks like a directory that the web server serves");
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

BOOST_AUTO_TEST_CASE(another_users_home_is_said_once_and_left_alone) {
  const test::TempDir folder;
  const Home home(another_users(folder));
  BOOST_CHECK_EXCEPTION(home.require_ours(), Fault, [](auto& f) {
    return says(f, "belongs to ") && says(f, "run as that user (sudo -u ");
  });
  BOOST_CHECK_THROW(home.create(system_now()), Fault);
  const auto findings = examine(home, system_now());
  BOOST_TEST(findings.size() == 1U);
  BOOST_TEST(broken(findings, "belongs to ") == 1);
}

BOOST_AUTO_TEST_CASE(a_path_that_may_not_be_reached_is_not_called_missing) {
  if (geteuid() == 0) return;  // root reaches all
  TestHouse house;
  std::filesystem::permissions(house.folder.path(), std::filesystem::perms::none);
  const auto unreachable = [](const Fault& f) {
    return says(f, "cannot be reached by ") && !says(f, "missing");
  };
  BOOST_CHECK_EXCEPTION(house.home.require_private(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION((void)house.home.server_id(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION(house.home.require_ours(), Fault, unreachable);
  std::filesystem::permissions(house.folder.path(), std::filesystem::perms::owner_all);
}

BOOST_AUTO_TEST_CASE(a_home_is_made_once_and_completed_where_something_is_missing) {
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

BOOST_AUTO_TEST_CASE(a_folder_that_is_open_to_others_does_not_become_a_home) {
  const test::TempDir folder;
  std::filesystem::create_directory(folder / "open");
  std::filesystem::permissions(folder / "open", std::filesystem::perms(0755));
  const Home home(folder / "open");
  BOOST_CHECK_EXCEPTION(home.create(system_now()), Fault,
                        [](auto& f) { return says(f, "chmod 700"); });
  BOOST_TEST(std::filesystem::is_empty(folder / "open"));
}

BOOST_AUTO_TEST_CASE(a_file_does_not_become_a_home) {
  const test::TempDir folder;
  test::write_text(folder / "sealpost", "a program");
  BOOST_CHECK_EXCEPTION(Home(folder / "sealpost").create(system_now()), Fault, [](auto& f) {
    return says(f, "is a file, not a folder: name another with --home");
  });
}

BOOST_AUTO_TEST_CASE(a_home_denies_itself_to_the_web) {
  const TestHouse house;
  const std::string file = house.home.root() + "/.htaccess";
  BOOST_TEST(test::read_text(file).find("Require all denied") != std::string::npos);
  BOOST_TEST(test::read_text(file).find("Deny from all") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(lost_keys_are_not_made_anew_beside_what_they_sealed) {
  namespace fs = std::filesystem;
  TestHouse house;
  (void)house.client();
  const auto refused = [&](const char* word) {
    BOOST_CHECK_EXCEPTION(house.home.create(house.now), Fault,
                          [&](auto& f) { return says(f, word) && says(f, "back from a copy"); });
  };
  const StorePaths paths = house.home.store_paths();
  fs::rename(house.home.keys_folder(), house.folder / "copy");
  refused("server_id is lost");
  BOOST_TEST(!fs::exists(house.home.keys_folder()), "nothing was written");
  fs::rename(house.folder / "copy", house.home.keys_folder());
  fs::rename(house.home.keys_folder() + "/1.key", house.folder / "1.key");
  BOOST_CHECK_EXCEPTION(house.home.add_key(), Fault, [](auto& f) { return says(f, "copy"); });
  fs::remove(paths.database);
  refused("holds no master key");
  fs::remove(house.home.keys_folder() + "/server_id");
  refused("server_id is lost");
  BOOST_TEST(!fs::exists(paths.database));
}

BOOST_AUTO_TEST_CASE(a_retired_kid_never_comes_back) {
  TestHouse house;
  BOOST_TEST(house.home.add_key() == 2);
  Database database = house.database();
  Clients book(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  book.add("a", 2, claims, house.now);
  house.home.remove_key(2);
  book.renew("a", 1, claims, house.now);
  BOOST_TEST(house.home.add_key() == 3, "the file of issues knows of 2");
  BOOST_TEST(house.home.add_key(7) == 8, "and the database may know of more");
}

BOOST_AUTO_TEST_CASE(without_a_master_key_nobody_is_refused_but_nothing_works) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  std::filesystem::rename(house.home.keys_folder() + "/1.key", house.folder / "1.key");
  BOOST_TEST(peer.handshake().reply.status == 503);
  BOOST_TEST(peer.send().reply.status == 503);
  BOOST_TEST(house.wire()("encrypted_message=EgAA").status == 503, "a stranger, too");
  std::filesystem::rename(house.folder / "1.key", house.home.keys_folder() + "/1.key");
  BOOST_TEST(peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(keys_come_and_go_and_a_running_gateway_follows) {
  TestHouse house;
  Peer old = house.client("old");
  BOOST_TEST(old.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  BOOST_TEST(house.home.add_key() == 2);
  BOOST_TEST(house.home.newest_kid() == 2);
  Peer fresh = house.client("fresh");
  BOOST_TEST(fresh.credential.kid == 2);
  BOOST_TEST(fresh.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  house.home.remove_key(1);
  BOOST_TEST(old.send().reply.status == 403);
  BOOST_TEST(old.handshake().reply.status == 403);
  BOOST_TEST(fresh.send().status == "accepted");
  BOOST_CHECK_EXCEPTION(house.home.remove_key(1), Fault,
                        [](auto& f) { return says(f, "no key 1"); });
  BOOST_CHECK_EXCEPTION(house.home.remove_key(2), Fault, [](auto& f) { return says(f, "rotate"); });
}

}  // namespace
}  // namespace sealpost
