// Listing and pruning the inbox.
#define BOOST_TEST_MODULE inbox
#include <boost/test/unit_test.hpp>

#include "store/health.h"
#include "support/gateway_fixture.h"
#include "support/handler_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;

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

// "outcome count" of each row.
std::string counts(Database& database) {
  std::string all;
  for (const StatsRow& row : Inbox(database).stats()) {
    all += row.outcome + " " + std::to_string(row.count) + ",";
  }
  return all;
}

BOOST_AUTO_TEST_CASE(counted_message_changes_its_outcome_and_is_counted_once) {
  test::HandlerFixture s("exit 1");
  s.fixture.now -= kHour;  // the tool uses the real clock
  s.peer.handshake();
  s.begin("in progress");
  Database database = s.fixture.database();
  (void)Inbox(database).prune(s.fixture.now - kDay);
  BOOST_TEST(s.fixture.sql("SELECT tallied FROM server") == "2");
  BOOST_TEST(counts(database) == "accepted 2,");
  (void)s.deliver();
  BOOST_TEST(counts(database) == "accepted 1,failed 1,");
  for (int i = 0; i < 3; ++i) s.peer.send("x", "box");
  BOOST_TEST(counts(database) == "accepted 4,failed 1,");
  Clients(database).remove("client1", s.fixture.now);
  BOOST_TEST(Inbox(database).prune(s.fixture.now + kHour + kDay).deleted == 4);
  BOOST_TEST(counts(database) == "accepted 4,failed 1,");
}

BOOST_AUTO_TEST_CASE(reading_and_pruning_nothing_need_no_write_lock) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  for (int i = 0; i < 3; ++i) peer.send("x");
  Database database = fixture.database();
  (void)Inbox(database).prune(fixture.now - kHour);
  WriteLock lock(fixture.home.store_paths().write_lock);
  const WriteLock::Guard guard = lock.acquire();
  BOOST_TEST(Inbox(database).prune(fixture.now - kHour).deleted == 0);
  BOOST_TEST(counts(database) == "accepted 3,");
  BOOST_TEST(Clients(database).list().size() == 1U);
}

BOOST_AUTO_TEST_CASE(client_list_shows_newest_message_of_all_installations) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send("x");
  fixture.now += kHour;
  peer.install_nonce = crypto::random_id<InstallNonce>();
  peer.next = 0;
  peer.handshake();
  peer.send("y");
  Database database = fixture.database();
  BOOST_TEST((Clients(database).find("client1").last_message_at == fixture.now));
}

}  // namespace
}  // namespace sealpost
