// The store's files: durability, locks, faults and migration.
#define BOOST_TEST_MODULE store_files
#include <sqlite3.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <thread>

#include "store/schema.h"
#include "store/sqlite_store.h"
#include "support/opened_record.h"
#include "support/says.h"
#include "support/store_fixture.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

using test::kNow;
using test::says;
using test::StoreFixture;
using Verdict = Admission::Verdict;

BOOST_AUTO_TEST_CASE(uses_wal_on_local_disk_and_rollback_journal_elsewhere) {
  BOOST_TEST(journal_on(0xef53).mode == "wal");
  BOOST_TEST(journal_on(0xef53).synchronous == 2);
  for (const std::uint64_t kind : {0x6969, 0x65735546, 0x12345678}) {  // NFS, FUSE, never heard of
    BOOST_TEST(journal_on(kind).mode == "delete");
    BOOST_TEST(journal_on(kind).synchronous == 3);
  }
}

BOOST_AUTO_TEST_CASE(durability_settings_are_in_force) {
  StoreFixture s;
  s.store.reset();  // a journal is changed by the only connection
  for (const JournalMode& journal :
       {JournalMode{"wal", 2}, JournalMode{"delete", 3}, JournalMode{"wal", 2}}) {
    Database database(s.home.store_paths(), s.home.server_id(), journal);
    const auto pragma = [&](const std::string& name) {
      return database.handle().execAndGet("PRAGMA " + name).getString();
    };
    BOOST_TEST(pragma("journal_mode") == journal.mode);
    BOOST_TEST(pragma("synchronous") == std::to_string(journal.synchronous));
    BOOST_TEST(pragma("secure_delete") == "1");
    BOOST_TEST(pragma("foreign_keys") == "1");
    BOOST_TEST(pragma("trusted_schema") == "0");
    BOOST_TEST(pragma("page_size") == "8192");
    int defensive = 0;
    sqlite3_db_config(database.handle().getHandle(), SQLITE_DBCONFIG_DEFENSIVE, -1, &defensive);
    BOOST_TEST(defensive == 1);
    int no_checkpoint = 0;
    sqlite3_db_config(database.handle().getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, -1,
                      &no_checkpoint);
    BOOST_TEST(no_checkpoint == 1);
  }
}

BOOST_AUTO_TEST_CASE(setting_without_effect_is_a_fault) {
  StoreFixture s;
  s.store.reset();
  // A name SQLite does not know leaves the journal as it is.
  BOOST_CHECK_EXCEPTION(Database(s.home.store_paths(), s.home.server_id(), {"walrus", 2}), Fault,
                        [](const Fault& fault) {
                          return std::string(fault.what()).find("journal_mode") !=
                                 std::string::npos;
                        });
}

BOOST_AUTO_TEST_CASE(works_with_rollback_journal) {
  StoreFixture s;
  s.store.reset();
  (void)s.sql("PRAGMA journal_mode = delete");
  { const Database database(s.home.store_paths(), s.home.server_id(), {"delete", 3}); }
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
}

std::string fault_of(StoreFixture& s) {
  try {
    (void)s.admit(5);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

BOOST_AUTO_TEST_CASE(unusable_database_is_a_fault_that_names_the_remedy) {
  {
    StoreFixture s;
    std::filesystem::remove(s.home.store_paths().database);
    BOOST_TEST(says(fault_of(s), "restore"), "missing: " << fault_of(s));
    BOOST_TEST(!std::filesystem::exists(s.home.store_paths().database),
               "and none is made in its place");
  }
  {
    StoreFixture s;
    s.store.reset();
    test::write_text(s.home.store_paths().database, std::string(100'000, 'x'));
    s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
    BOOST_TEST(says(fault_of(s), "damaged"), "garbage: " << fault_of(s));
  }
  {
    StoreFixture s;
    (void)s.sql("PRAGMA user_version = 99");
    s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
    BOOST_TEST(says(fault_of(s), "schema 99"), fault_of(s));
  }
  {
    StoreFixture s;
    (void)s.sql("PRAGMA application_id = 7");
    s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
    BOOST_TEST(says(fault_of(s), "not a sealpost database"), fault_of(s));
  }
  {
    const StoreFixture s;
    BOOST_CHECK_EXCEPTION(
        Database(s.home.store_paths(), ServerId{1}), Fault,
        [](const Fault& fault) { return says(fault.what(), "other master keys"); });
  }
}

BOOST_AUTO_TEST_CASE(read_only_database_is_a_fault) {
  if (geteuid() == 0) return;  // nothing is read-only to root; the tests run as another user
  StoreFixture s;
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  chmod(s.home.store_paths().database.c_str(), 0400);
  BOOST_TEST(says(fault_of(s), "Cannot write"), fault_of(s));
}

BOOST_AUTO_TEST_CASE(lock_held_five_seconds_is_a_fault) {
  using Clock = std::chrono::steady_clock;
  StoreFixture s;
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  {
    SQLite::Database other = s.raw();
    other.exec("BEGIN IMMEDIATE");
    const auto start = Clock::now();
    BOOST_TEST(says(fault_of(s), "Another program locked"));
    BOOST_TEST((Clock::now() - start > std::chrono::seconds(4)));
    BOOST_TEST((Clock::now() - start < std::chrono::seconds(9)));
    other.exec("ROLLBACK");
  }
  {
    WriteLock lock(s.home.store_paths().write_lock);
    const WriteLock::Guard guard = lock.acquire();
    const auto start = Clock::now();
    BOOST_TEST(says(fault_of(s), "the write lock"));
    BOOST_TEST((Clock::now() - start > std::chrono::seconds(4)));
    BOOST_TEST((Clock::now() - start < std::chrono::seconds(9)));
  }
  BOOST_TEST((s.admit(5).verdict == Verdict::kNew), "free again");
}

BOOST_AUTO_TEST_CASE(write_lock_admits_one_holder) {
  const test::TempDir folder;
  std::atomic<int> inside = 0;
  std::atomic<bool> alone = true;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      WriteLock lock(folder / "lock");
      for (int round = 0; round < 200; ++round) {
        const WriteLock::Guard guard = lock.acquire();
        if (++inside != 1) alone = false;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(alone);
}

BOOST_AUTO_TEST_CASE(open_store_notices_replaced_home) {
  StoreFixture s;
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  const std::string database = s.home.store_paths().database;
  (void)s.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(database, database + ".copy");
  BOOST_TEST((s.admit(1).verdict == Verdict::kNew));
  for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(database + part);
  std::filesystem::rename(database + ".copy", database);
  BOOST_TEST((s.admit(1).verdict == Verdict::kNew), "the copy does not know it");
  BOOST_TEST(s.sql("SELECT count(*) FROM message") == "2");
}

BOOST_AUTO_TEST_CASE(files_are_0600_in_a_0700_home) {
  StoreFixture s;
  (void)s.admit(0);
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(s.home.root())) {
    struct stat status {};
    stat(entry.path().c_str(), &status);
    BOOST_TEST((status.st_mode & 0777) == (entry.is_directory() ? 0700U : 0600U), entry.path());
    ++seen;
  }
  BOOST_TEST(seen >= 7, "keys, server_id, 1.key, issued, `gate`, database, -wal, -shm");
}

BOOST_AUTO_TEST_CASE(trimming_empties_wal_and_loses_nothing) {
  StoreFixture s;
  for (std::uint64_t counter = 0; counter < 40; ++counter) (void)s.admit(counter);
  const std::string wal = s.home.store_paths().database + "-wal";
  BOOST_TEST(std::filesystem::file_size(wal) > 0U);
  s.store->clean_up(Cleanup::kFull);
  BOOST_TEST(std::filesystem::file_size(wal) == 0U);
  BOOST_TEST((s.admit(39).verdict == Verdict::kUsed));
}

// Messages of 1 MiB each, whose frames fill a WAL.
struct LargeWalFixture : StoreFixture {
  std::uint64_t counter = 0;

  void write(int messages) {
    for (; messages > 0; --messages) {
      Candidate large = test::candidate(session, {counter++, MessageId{1}, "t", Bytes(1U << 20)},
                                        Decision::kInbox);
      Candidate* const batch = &large;
      BOOST_REQUIRE((store->admit({&batch, 1}, *ring, limits, kNow)[0].verdict == Verdict::kNew));
    }
  }
  [[nodiscard]] std::uintmax_t mib(const char* part) const {
    return std::filesystem::file_size(home.store_paths().database + part) >> 20;
  }
};

BOOST_AUTO_TEST_CASE(commit_does_not_wait_for_checkpoint_and_wal_is_reused) {
  LargeWalFixture s;
  s.write(20);
  s.store->clean_up(Cleanup::kLight);
  BOOST_TEST(s.mib("") == 0U, "too little to be worth it");
  s.write(15);
  BOOST_TEST(s.mib("") == 0U);
  s.store->clean_up(Cleanup::kLight);
  BOOST_TEST(s.mib("") >= 35U);
  const auto wal = s.mib("-wal");
  s.write(30);
  BOOST_TEST(s.mib("-wal") == wal);
}

BOOST_AUTO_TEST_CASE(limits_wal_that_nobody_checkpoints) {
  LargeWalFixture s;
  s.write(100);
  BOOST_TEST(s.mib("-wal") < 70U);
}

BOOST_AUTO_TEST_CASE(migrates_older_schema) {
  StoreFixture s;
  // An empty database file with sealpost's application id.
  s.store.reset();
  for (const char* part : {"", "-wal", "-shm"})
    std::filesystem::remove(s.home.store_paths().database + part);
  {
    SQLite::Database empty(s.home.store_paths().database,
                           SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    empty.exec("PRAGMA application_id = " + std::to_string(0x5365616c));
  }
  BOOST_CHECK_THROW(Database(s.home.store_paths(), s.home.server_id()),
                    Fault);  // it names no server
  BOOST_TEST(s.sql("PRAGMA user_version") == std::to_string(migrations().size()));
  BOOST_TEST(s.sql("SELECT count(*) FROM message") == "0");
}

}  // namespace
}  // namespace sealpost
