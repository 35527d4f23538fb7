#define BOOST_TEST_MODULE store
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <thread>

#include "store/clients.h"
#include "store/home.h"
#include "store/schema.h"
#include "store/sqlite_store.h"
#include "support/opened_record.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

using Verdict = Admission::Verdict;

constexpr Time kNow = time_from_ms(1'790'000'000'000);

// A home with one client and one active session, and a store on it.
struct StoreFixture {
  test::TempDir folder;
  Home home{folder / "home"};
  Session session{SessionId{1}, 1, {"client1", 1, InstallNonce{2}}};
  std::unique_ptr<SqliteStore> store;
  std::optional<Keyring> ring;
  AdmissionLimits limits;

  StoreFixture() {
    umask(077);
    home.create(kNow);
    ring = home.keyring();
    {
      Database database(home.store_paths(), home.server_id());
      Clients(database).add("client1", 1, *Claims::of({{"role", "sensor"}}), kNow);
    }
    store = std::make_unique<SqliteStore>(home.store_paths(), home.server_id());
    BOOST_REQUIRE((start_session(session, 1).verdict == SessionStart::Verdict::kStarted));
  }
  SessionStart start_session(const Session& of, std::uint8_t handshake, Time now = kNow) {
    return store->start_session({of, Bytes{1}, crypto::Digest{handshake}, {}, now + 24 * kHour},
                                *ring, now);
  }
  Admission admit(std::uint64_t counter, std::uint8_t id = 0, Decision decision = Decision::kInbox,
                  Time now = kNow) {
    Candidate one = test::candidate(session, {counter, MessageId{id}, "t", Bytes{id}}, decision);
    Candidate* const batch = &one;
    return store->admit({&batch, 1}, *ring, limits, now).front();
  }
  [[nodiscard]] SQLite::Database raw() const {
    return {home.store_paths().database, SQLite::OPEN_READWRITE, 1000};
  }
  [[nodiscard]] std::string sql(const std::string& statement) const {
    SQLite::Database at = raw();
    SQLite::Statement query(at, statement);
    return query.executeStep() ? query.getColumn(0).getString() : "";
  }
};

BOOST_AUTO_TEST_CASE(window_is_1024_counters_below_next) {
  struct Row {
    std::uint64_t counter, next;
    bool below;
    const char* why;
  };
  const Row rows[] = {
      {0, 0, false, "no history"},
      {0, 1024, false, "the oldest counter still inside"},
      {0, 1025, true, "one older"},
      {2976, 4000, false, "the edge, further on"},
      {2975, 4000, true, "one older"},
      {4000, 4000, false, "next itself"},
      {kCounterEnd - 1, 0, false, "a jump to the end"},
      {kCounterEnd - 1025, kCounterEnd, true, "the window at the end"},
  };
  for (const Row& row : rows)
    BOOST_TEST(is_below_window(row.counter, row.next) == row.below, row.why);
  BOOST_TEST(next_after(5, 3) == 6U);
  BOOST_TEST(next_after(2, 3) == 3U);
  BOOST_TEST(next_after(0, 0) == 1U);
}

BOOST_AUTO_TEST_CASE(checks_and_records_counter_in_one_call) {
  StoreFixture s;
  struct Arrival {
    std::uint64_t counter;
    std::uint8_t id;
    Verdict verdict;
    std::uint64_t next;
    const char* why;
  };
  const Arrival arrivals[] = {
      {0, 0, Verdict::kNew, 1, "no history"},
      {0, 0, Verdict::kUsed, 1, "the same message again"},
      {0, 1, Verdict::kConflict, 1, "another message under its counter"},
      {3000, 0, Verdict::kNew, 3001, "a jump wider than the window"},
      {3001 - kWindow, 0, Verdict::kNew, 3001, "the oldest counter still inside"},
      {3000 - kWindow, 0, Verdict::kTooOld, 3001, "one older: outside, though never seen"},
      {0, 0, Verdict::kTooOld, 3001, "outside, and seen"},
  };
  for (const Arrival& arrival : arrivals) {
    const Admission admission = s.admit(arrival.counter, arrival.id);
    BOOST_TEST((admission.verdict == arrival.verdict), arrival.why);
    BOOST_TEST(admission.next == arrival.next, arrival.why);
  }
}

BOOST_AUTO_TEST_CASE(next_process_knows_admitted_messages) {
  StoreFixture s;
  const std::int64_t number = s.admit(0).number;
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  const Admission again = s.admit(0);
  BOOST_TEST((again.verdict == Verdict::kUsed));
  BOOST_TEST(again.number == number);
}

BOOST_AUTO_TEST_CASE(late_leaves_counter_unused_and_forbidden_uses_it) {
  StoreFixture s;
  BOOST_TEST((s.admit(0, 0, Decision::kLate).verdict == Verdict::kLate));
  BOOST_TEST(s.sql("SELECT count(*) FROM message") == "0");
  BOOST_TEST((s.admit(0, 0, Decision::kForbidden).verdict == Verdict::kNew));
  const Admission again = s.admit(0, 0, Decision::kInbox);
  BOOST_TEST((again.verdict == Verdict::kUsed));
  BOOST_TEST((again.status == Status::kForbidden));
  BOOST_TEST(s.sql("SELECT count(*) FROM inbox") == "0");
}

BOOST_AUTO_TEST_CASE(batch_sees_its_earlier_messages) {
  StoreFixture s;
  std::vector<Candidate> batch;
  const auto add = [&](std::uint64_t counter, std::uint8_t id) {
    batch.push_back(test::candidate(s.session, {counter, MessageId{id}, "t", {}}));
  };
  add(0, 1);
  add(0, 1);
  add(0, 2);
  add(2000, 1);
  add(1, 1);
  const auto verdicts = s.store->admit(test::pointers_to(batch), *s.ring, s.limits, kNow);
  const Verdict expected[] = {Verdict::kNew, Verdict::kUsed, Verdict::kConflict, Verdict::kNew,
                              Verdict::kTooOld};
  BOOST_REQUIRE(verdicts.size() == 5U);
  for (std::size_t i = 0; i < 5; ++i) BOOST_TEST((verdicts[i].verdict == expected[i]), i);
}

BOOST_AUTO_TEST_CASE(record_that_cannot_be_stored_is_unavailable_and_others_are_accepted) {
  StoreFixture s;
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  // No room for a megabyte, but for a little more: SQLite keeps to it for every connection of this
  // process.
  const int pages = std::stoi(s.sql("PRAGMA page_count"));
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  std::vector<Candidate> batch;
  batch.push_back(test::candidate(s.session, {1, MessageId{1}, "t", Bytes(10)}));
  batch.push_back(test::candidate(s.session, {2, MessageId{2}, "t", Bytes(1'000'000)}));
  batch.push_back(test::candidate(s.session, {3, MessageId{3}, "t", Bytes(10)}));
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(+[](sqlite3* handle, char**, const void*) {
    // Runs when the store opens its connection: a database that may not grow much.
    return sqlite3_exec(handle, "PRAGMA max_page_count = 40", nullptr, nullptr, nullptr);
  }));
  BOOST_REQUIRE(pages < 36);
  const auto verdicts = s.store->admit(test::pointers_to(batch), *s.ring, s.limits, kNow);
  sqlite3_reset_auto_extension();
  BOOST_TEST((verdicts[0].verdict == Verdict::kNew));
  BOOST_TEST((verdicts[1].verdict == Verdict::kDiskFull));
  BOOST_TEST((verdicts[2].verdict == Verdict::kNew));
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  BOOST_TEST((s.admit(2, 2).verdict == Verdict::kNew), "its counter was not used");
}

BOOST_AUTO_TEST_CASE(session_ended_after_lookup_admits_nothing) {
  StoreFixture s;
  BOOST_TEST(s.store->find_session(s.session.id, kNow).has_value());
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  (void)s.sql("DELETE FROM session");
  BOOST_TEST((s.admit(1).verdict == Verdict::kNoSession));
  BOOST_TEST(s.sql("SELECT count(*) FROM message") == "1");
}

BOOST_AUTO_TEST_CASE(expired_session_is_absent) {
  StoreFixture s;
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  const Time end = kNow + 24 * kHour;
  BOOST_TEST(s.store->find_session(s.session.id, end - Milliseconds{1}).has_value());
  BOOST_TEST(!s.store->find_session(s.session.id, end).has_value());
  BOOST_TEST((s.admit(1, 0, Decision::kInbox, end).verdict == Verdict::kNoSession));
}

BOOST_AUTO_TEST_CASE(two_copies_of_one_handshake_start_one_session) {
  StoreFixture s;
  BOOST_TEST(s.store->has_seen(crypto::Digest{1}, kNow));
  const Session other{SessionId{7}, 1, s.session.installation};
  BOOST_TEST((s.start_session(other, 1).verdict == SessionStart::Verdict::kReplayed));
  BOOST_TEST((s.start_session(other, 2).verdict == SessionStart::Verdict::kStarted));
  BOOST_TEST(!s.store->has_seen(crypto::Digest{1}, kNow + kHandshakeMemory),
             "forgotten after 150 s");
}

BOOST_AUTO_TEST_CASE(higher_generation_raises_stored_generation) {
  StoreFixture s;
  Session later = s.session;
  later.id = SessionId{9};
  later.installation.generation = 3;
  BOOST_TEST((s.start_session(later, 2).verdict == SessionStart::Verdict::kStarted));
  BOOST_TEST(s.sql("SELECT generation FROM client") == "3");
  BOOST_TEST((s.admit(0).verdict == Verdict::kRevoked), "what was issued before it is revoked");
}

// --- The files ---

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

bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
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
    WriteLock gate(s.home.store_paths().write_lock);
    const WriteLock::Guard hold = gate.acquire();
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
      WriteLock gate(folder / "gate");
      for (int round = 0; round < 200; ++round) {
        const WriteLock::Guard hold = gate.acquire();
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
  BOOST_TEST(seen >= 7, "keys, server_id, 1.key, issued, gate, database, -wal, -shm");
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
  // As if written by a sealpost without any migration: an empty file of the right kind.
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
