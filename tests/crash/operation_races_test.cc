// The same gateways while an operator prunes, renews and ends sessions, and while the database is
// migrated.
#define BOOST_TEST_MODULE operation_races
#include <boost/test/unit_test.hpp>
#include <mutex>

#include "store/clients.h"
#include "support/load_clients.h"
#include "support/old_schema.h"
#include "support/race_fixture.h"

namespace sealpost {
namespace {

using test::AnswerCounts;
using test::Clock;
using test::count_answers;
using test::GatewayConnection;
using test::kConnections;
using test::kProcesses;
using test::MessageTracker;
using test::Peer;
using test::post;
using test::RaceFixture;
using test::RaceRounds;
using test::ResendingClient;
using test::SocketSite;

// A message, one sealed form of it, and the key of the answer.
struct SealedMessage {
  SealedMessage(const Peer& peer, Message of)
      : message(std::move(of)), envelope(peer.seal(message)), s2c(peer.keys->s2c.clone()) {}

  Message message;
  Envelope envelope;
  crypto::Key s2c;
  bool accepted = false;
};

// Counters rise in steps of 50, so that messages leave the window all the time.
BOOST_AUTO_TEST_CASE(never_accepts_pruned_message_again) {
  RaceFixture race;
  Peer peer = race.client_in_session("client");
  std::mutex mutex;  // of the next two
  std::vector<SealedMessage> kept;
  std::string wrong;
  std::int64_t accepted = 1;
  Inbox::Pruned pruned;
  const auto send_new = [&](GatewayConnection& connection) {
    std::unique_lock lock(mutex);
    peer.next += 50;
    SealedMessage one(peer, peer.message());
    lock.unlock();
    const std::string answer = post(peer, one.envelope, connection);
    lock.lock();
    // Twenty later messages may arrive before this one.
    if (answer != "accepted" && answer != "too_old") wrong = "new: " + answer;
    one.accepted = answer == "accepted";
    accepted += one.accepted ? 1 : 0;
    kept.push_back(std::move(one));
  };
  const auto resend = [&](GatewayConnection& connection, test::Random& random) {
    std::unique_lock lock(mutex);
    if (kept.empty()) return;
    const int back = test::random_up_to(random, std::min(static_cast<int>(kept.size()) - 1, 40));
    const SealedMessage& one = kept[kept.size() - 1 - static_cast<std::size_t>(back)];
    const Envelope envelope = test::one_in(random, 2) ? one.envelope : peer.seal(one.message);
    const bool known = one.accepted;
    lock.unlock();
    const std::string answer = post(peer, envelope, connection);
    lock.lock();
    if (answer != "too_old" && !(known && answer == "duplicate")) wrong = "again: " + answer;
  };
  for (RaceRounds rounds; rounds.start_next();) {
    race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
      test::Random random{std::random_device{}()};
      if (i == 0) {
        const Inbox::Pruned now = Inbox(race.database).prune(system_now() + Milliseconds{1});
        pruned.deleted += now.deleted;
        pruned.emptied += now.emptied;
      } else {
        for (int times = 0; times < 8; ++times) {
          i % 3 == 0 ? send_new(connection) : resend(connection, random);
        }
      }
    });
    BOOST_REQUIRE_MESSAGE(wrong.empty(), wrong);
  }
  BOOST_TEST(pruned.deleted > 20);
  BOOST_TEST(pruned.emptied > 20);
  BOOST_TEST(race.accepted() == accepted, "none was lost");
  race.finish();
}

// The newest credential of each client.
class IssuedCredentials {
 public:
  IssuedCredentials(const SocketSite& site, int clients) : site_(site) {
    for (int i = 0; i < clients; ++i) issue("add", "client" + std::to_string(i));
  }
  void issue(const std::string& how, const std::string& name) {
    std::vector<std::string> arguments = {"client", how, name};
    if (how == "add") arguments.insert(arguments.end(), {"--role", "sensor"});
    const std::string credential = site_.operate(arguments).out;
    const std::lock_guard lock(mutex_);
    latest_[name] = credential;
  }
  [[nodiscard]] Peer peer(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return {Credential::parse(latest_.at(name)), {}};
  }

 private:
  const SocketSite& site_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> latest_;
};

// One of several installations of a client.  Each ends the others' sessions.  It sends, resends,
// makes handshakes, and replays its own handshakes.
class CompetingInstallation {
 public:
  CompetingInstallation(const IssuedCredentials& credentials, std::string name,
                        GatewayConnection& connection)
      : credentials_(credentials), name_(std::move(name)), connection_(connection) {
    use_newest_credential();
  }

  void act() {
    const int what = test::random_up_to(random_, 9);
    if (!peer_->session || what == 0) return handshake();
    if (what == 1 && !last_handshake_.empty()) return replay_handshake();
    if (what < 5 && !kept_.empty()) {
      SealedMessage& one = kept_.at(static_cast<std::size_t>(
          test::random_up_to(random_, static_cast<int>(kept_.size()) - 1)));
      return test::one_in(random_, 2) ? send(one, one.envelope, one.s2c)
                                      : send(one, peer_->seal(one.message), peer_->keys->s2c);
    }
    SealedMessage& one = kept_.emplace_back(*peer_, peer_->message());
    send(one, one.envelope, one.s2c);
  }

  int accepted = 0;
  std::string wrong;  // the last wrong answer

 private:
  // Starts again with the newest credential.
  void use_newest_credential() {
    peer_.emplace(credentials_.peer(name_));
    peer_->wire = [this](const std::string& form) { return connection_.post(form); };
    kept_.clear();
    last_handshake_.clear();
  }

  void handshake() {
    const test::RoundTrip reply = peer_->handshake();
    if (reply.status == "accepted") last_handshake_ = reply.form;
    if (reply.status == "revoked") return use_newest_credential();
    if (reply.status != "accepted" && reply.status != "unavailable")
      wrong = "handshake: " + reply.status;
  }

  void replay_handshake() {
    if (const int status = connection_.post(last_handshake_).status; status != 403) {
      wrong = "replay: " + std::to_string(status);
    }
  }

  void send(SealedMessage& one, const Envelope& envelope, const crypto::Key& s2c) {
    const std::string answer = post(s2c, envelope, connection_);
    if (answer == "accepted") {
      if (one.accepted) wrong = "accepted a second time";
      one.accepted = true;
      ++accepted;
    } else if (answer == "HTTP 403") {
      peer_->session.reset();
    } else if (answer == "revoked") {
      use_newest_credential();
    } else if (answer != "too_old" && !(one.accepted && answer == "duplicate")) {
      wrong = "message: " + answer;
    }
  }

  const IssuedCredentials& credentials_;
  std::string name_;
  GatewayConnection& connection_;
  test::Random random_{std::random_device{}()};
  std::optional<Peer> peer_;
  std::vector<SealedMessage> kept_;
  std::string last_handshake_;
};

BOOST_AUTO_TEST_CASE(accepts_and_counts_each_message_once_under_concurrent_operations) {
  constexpr int kClients = 5;
  RaceFixture race;
  IssuedCredentials credentials(race.site, kClients);
  std::mutex mutex;
  std::int64_t accepted = 0;
  std::vector<std::string> wrong;
  const auto end = Clock::now() + test::race_time();
  race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
    if (i == 0) {
      for (int turn = 0; Clock::now() < end; ++turn) {
        const std::string name = "client" + std::to_string(turn % kClients);
        (void)Inbox(race.database).prune(system_now() + Milliseconds{1});
        if (turn % 4 == 0) credentials.issue("renew", name);
        if (turn % 4 == 2) Clients(race.database).end_sessions(name);
      }
      return;
    }
    GatewayConnection unkept(race.site.socket(),
                             false);  // a new connection for each request
    CompetingInstallation installation(credentials, "client" + std::to_string(i % kClients),
                                       i % 2 == 0 ? connection : unkept);
    while (Clock::now() < end) installation.act();
    const std::lock_guard lock(mutex);
    accepted += installation.accepted;
    wrong.push_back(installation.wrong);
  });
  BOOST_TEST((count_answers(wrong) == AnswerCounts{{"", kConnections - 1}}),
             test::text_of(count_answers(wrong)));
  BOOST_TEST(race.accepted() == accepted);
  BOOST_TEST(accepted > kConnections);
  race.finish();
}

// All threads of all gateways and the operator's tool find the first schema at the same moment,
// while clients send.
BOOST_AUTO_TEST_CASE(concurrent_migration_loses_nothing) {
  SocketSite site(kProcesses, test::kArguments);
  const std::string newest = test::newest_schema();
  const std::string path = site.home.store_paths().database;
  MessageTracker tracker;
  std::vector<std::unique_ptr<ResendingClient>> clients;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "client" + std::to_string(i);
    clients.push_back(
        std::make_unique<ResendingClient>(site, name, tracker, std::random_device{}()));
  }
  Peer witness = site.client("witness");
  BOOST_REQUIRE(witness.handshake().status == "accepted");
  const Message testimony = witness.message("testimony");
  tracker.sent("testimony");
  BOOST_REQUIRE(witness.send(testimony).status == "accepted");
  tracker.acknowledged("testimony");
  for (const auto& one : clients) one->start();
  for (RaceRounds rounds; rounds.start_next();) {
    const std::size_t before = tracker.acknowledged_count();
    test::eventually("the clients send",
                     [&] { return tracker.acknowledged_count() > before + kConnections; });
    rounds.count() % 2 == 0 ? site.stop() : site.kill();
    test::downgrade_database(site);
    BOOST_REQUIRE(test::schema_of(path).starts_with("version 1\n"));
    for (int i = 0; i < kProcesses; ++i) site.gateways.push_back(site.start());
    const test::Process tool(
        {test::program("sealpost"), "--home", site.home.root(), "client", "list"},
        site.folder / "listed");
    const Database own(site.home.store_paths(), site.home.server_id());
    BOOST_REQUIRE(test::schema_of(path) == newest);
    BOOST_REQUIRE(witness.send(testimony).status == "duplicate");
  }
  for (const auto& one : clients) one->stop();
  site.stop();
  tracker.expect_no_errors(site);
  test::expect_whole(site);
}

}  // namespace
}  // namespace sealpost
