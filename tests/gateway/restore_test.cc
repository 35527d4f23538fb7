// Restoring a backup: what is checked, shown, asked and kept.
#define BOOST_TEST_MODULE restore
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "store/backup.h"
#include "store/health.h"
#include "support/gateway_fixture.h"
#include "support/print.h"
#include "support/process.h"
#include "support/says.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;
using test::GatewayFixture;
using test::Peer;
using test::says;

constexpr std::size_t kPageSize = 8192;

// A home with `before` messages in a backup and `after` newer ones.
struct RestoreFixture {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  std::string file = fixture.folder / "backup.db";
  std::string database = fixture.home.store_paths().database;

  RestoreFixture(int before, int after) {
    peer.handshake();
    for (int i = 0; i < before; ++i) peer.send(std::string(600, 'b'));
    {
      Database open = fixture.database();
      back_up(open, file);
    }
    for (int i = 0; i < after; ++i) peer.send("after");
    fixture.restart();
  }
  [[nodiscard]] test::RunResult run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = command();
    words.insert(words.end(), more.begin(), more.end());
    return test::run(words);
  }
  [[nodiscard]] std::vector<std::string> command() const {
    return {test::program("sealpost"), "--home", fixture.home.root(), "restore", file};
  }
  // The first name beside the database that begins so; not one that SQLite keeps for another file.
  [[nodiscard]] std::string kept(const std::string& suffix) const {
    for (const auto& entry : fs::directory_iterator(fixture.home.root())) {
      const std::string path = entry.path().string();
      const bool part = path.ends_with("-wal") || path.ends_with("-shm");
      if (path.starts_with(database + suffix) && !part) return path;
    }
    return "";
  }
};

std::string with_zeroed_pages(std::string bytes, std::size_t first, std::size_t count) {
  for (std::size_t page = first; page < first + count; ++page) {
    if ((page + 1) * kPageSize <= bytes.size())
      bytes.replace(page * kPageSize, kPageSize, kPageSize, '\0');
  }
  return bytes;
}

BOOST_AUTO_TEST_CASE(rejects_backup_with_zeroed_pages_and_changes_nothing) {
  RestoreFixture r(20, 1);
  const std::string before = r.fixture.dump();
  const std::string whole = test::read_text(r.file);
  const std::size_t pages = whole.size() / kPageSize;
  BOOST_TEST_REQUIRE(pages >= 14U);
  const auto rejected = [&](std::size_t first, std::size_t count) {
    test::write_text(r.file, with_zeroed_pages(whole, first, count));
    BOOST_CHECK_THROW((void)restore(r.fixture.home.store_paths(), r.fixture.home.server_id(),
                                    r.file, r.fixture.now),
                      Fault);
    BOOST_TEST((r.fixture.dump() == before), "pages from " << first);
  };
  for (std::size_t page = 0; page < pages; ++page) rejected(page, 1);
  rejected(4, 10);
  BOOST_TEST(r.kept(".restore").empty());
  BOOST_TEST(r.kept(".former").empty());
  BOOST_TEST(r.peer.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(rejects_backup_without_an_index) {
  RestoreFixture r(1, 0);
  SQLite::Database(r.file, SQLite::OPEN_READWRITE).exec("DROP INDEX message_unsettled");
  BOOST_CHECK_EXCEPTION((void)restore(r.fixture.home.store_paths(), r.fixture.home.server_id(),
                                      r.file, r.fixture.now),
                        Fault,
                        [](auto& f) { return says(f, "lacks the index message_unsettled"); });
}

BOOST_AUTO_TEST_CASE(older_backup_replaces_newer_database_only_with_yes) {
  RestoreFixture r(2, 3);
  r.fixture.sql(
      "INSERT INTO client (name, generation, kid, claims, issued_at) VALUES ('since', 1, 1, '{}', "
      "0)");
  const std::string before = r.fixture.dump();
  const test::RunResult asked = r.run();
  BOOST_TEST(asked.status == 1);
  BOOST_TEST(says(asked.out, "The present database has 5 messages"));
  BOOST_TEST(says(asked.out, "The backup has 2 messages"));
  BOOST_TEST(says(asked.out, "3 messages would be lost"));
  BOOST_TEST(says(asked.out, "The client since would be lost"));
  BOOST_TEST(says(asked.err, "--yes"));
  BOOST_TEST(r.fixture.dump() == before);
  BOOST_TEST(r.kept(".former").empty());

  const test::RunResult done = r.run({"--yes"});
  BOOST_TEST(done.status == 0, done.err);
  BOOST_TEST(r.fixture.inbox().size() == 2U);
  const std::string kept = r.kept(".former-");
  BOOST_REQUIRE(!kept.empty());
  BOOST_TEST(says(done.out, "kept as " + kept));
  SQLite::Database former(kept);
  BOOST_TEST(former.execAndGet("SELECT count(*) FROM inbox").getInt() == 5);
  BOOST_TEST(former.execAndGet("SELECT count(*) FROM session_key").getInt() == 0);
}

BOOST_AUTO_TEST_CASE(damaged_database_is_moved_aside_even_if_its_server_can_be_read) {
  RestoreFixture r(20, 1);
  {
    Database open = r.fixture.database();
    (void)open.trim_wal(true);
  }
  const std::string whole = test::read_text(r.database);
  test::write_text(r.database, with_zeroed_pages(whole, whole.size() / kPageSize - 3, 3));
  BOOST_TEST(r.run().status == 1);
  const test::RunResult done = r.run({"--yes"});
  BOOST_TEST(done.status == 0, done.err);
  BOOST_TEST(says(done.out, "The present database cannot be used"));
  BOOST_TEST(says(done.out, "kept as " + r.kept(".damaged-")));
  BOOST_TEST(r.fixture.inbox().size() == 20U);
}

BOOST_AUTO_TEST_CASE(restore_killed_at_any_moment_leaves_old_or_new_database) {
  RestoreFixture r(60, 20);
  bool replaced = false;
  for (int delay = 0; delay < 60 && !replaced; delay += 2) {
    std::vector<std::string> words = r.command();
    words.emplace_back("--yes");
    test::Process restoring(words, r.fixture.folder / "out");
    (void)restoring.wait(std::chrono::milliseconds(delay));
    restoring.signal(SIGKILL);
    (void)restoring.wait(std::chrono::seconds(10));
    Database database = r.fixture.database();
    BOOST_TEST(check_health(database).damage.empty(), "after " << delay << " ms");
    const std::size_t messages = r.fixture.inbox().size();
    BOOST_TEST((messages == 80U || messages == 60U), messages << " after " << delay << " ms");
    replaced = messages == 60U;
    BOOST_TEST((!replaced || !r.kept(".former-").empty()));
  }
  BOOST_TEST(r.run({"--yes"}).status == 0);
  for (const char* rest : {".restore", ".former.", ".former-journal"})
    BOOST_TEST(r.kept(rest).empty(), rest);
  BOOST_TEST(!fs::exists(r.database + ".former"));
  BOOST_TEST(r.fixture.inbox().size() == 60U);
}

}  // namespace
}  // namespace sealpost
