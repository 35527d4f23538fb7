// The store: which messages and sessions it admits.
#define BOOST_TEST_MODULE store
#include <sqlite3.h>

#include <boost/test/unit_test.hpp>

#include "store/sqlite_store.h"
#include "support/opened_record.h"
#include "support/store_fixture.h"

namespace sealpost {
namespace {

using test::kNow;
using test::StoreFixture;
using Verdict = Admission::Verdict;

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
  // A page limit for every connection of this process: room for small messages, none for 1 MiB.
  const int pages = std::stoi(s.sql("PRAGMA page_count"));
  s.store = std::make_unique<SqliteStore>(s.home.store_paths(), s.home.server_id());
  std::vector<Candidate> batch;
  batch.push_back(test::candidate(s.session, {1, MessageId{1}, "t", Bytes(10)}));
  batch.push_back(test::candidate(s.session, {2, MessageId{2}, "t", Bytes(1'000'000)}));
  batch.push_back(test::candidate(s.session, {3, MessageId{3}, "t", Bytes(10)}));
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(+[](sqlite3* handle, char**, const void*) {
    // Runs when the store opens its connection, and limits how much the database may grow.
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

BOOST_AUTO_TEST_CASE(first_record_of_higher_generation_raises_stored_generation_and_kid) {
  StoreFixture s;
  Session later = s.session;
  later.id = SessionId{9};
  later.kid = 2;
  later.installation.generation = 3;
  BOOST_TEST((s.start_session(later, 2).verdict == SessionStart::Verdict::kStarted));
  BOOST_TEST(s.sql("SELECT generation FROM client") == "1", "a handshake changes no row");
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  std::swap(s.session, later);
  BOOST_TEST((s.admit(0).verdict == Verdict::kNew));
  BOOST_TEST(s.sql("SELECT generation || ' ' || kid FROM client") == "3 2");
  std::swap(s.session, later);
  BOOST_TEST((s.admit(1).verdict == Verdict::kNoSession), "the older session has ended");
  BOOST_TEST((s.start_session(s.session, 3).verdict == SessionStart::Verdict::kRevoked),
             "what was issued before it is revoked");
}

}  // namespace
}  // namespace sealpost
