// Four gateways of eight threads each on one socket and one database, and clients and an operator
// who do at once what must not be done twice, or must not be done any more.  Built with
// ThreadSanitizer (make tsan) it also fails where two threads of a gateway meet in one place.
//
//   SEALPOST_RACE_SECONDS  how long each case goes on (2)
#define BOOST_TEST_MODULE races
#include <boost/test/unit_test.hpp>
#include <mutex>

#include "store/clients.h"
#include "store/store.h"
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
using test::message_of;
using test::MessageTracker;
using test::Peer;
using test::post;
using test::RaceFixture;
using test::RaceRounds;
using test::Reply;
using test::ResendingClient;
using test::SocketSite;

// --- One counter ---

// The very same bytes, and the same message sealed anew; the session's first one or a later one.
BOOST_AUTO_TEST_CASE(accepts_one_message_once_from_all_connections) {
  RaceFixture race;
  Peer peer = race.client_in_session("client", false);
  int sent = 0;
  for (RaceRounds rounds; rounds.start_next(); ++sent) {
    if (sent % 4 == 0) BOOST_REQUIRE(peer.handshake().status == "accepted");
    const Message message = peer.message();
    const Envelope first = peer.seal(message);
    std::vector<std::string> answers(kConnections);
    race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
      answers.at(static_cast<std::size_t>(i)) =
          post(peer, i % 8 < 4 ? first : peer.seal(message), connection);
    });
    const AnswerCounts counts = count_answers(answers);
    BOOST_REQUIRE_MESSAGE(
        (counts == AnswerCounts{{"accepted", 1}, {"duplicate", kConnections - 1}}),
        test::text_of(counts));
  }
  BOOST_TEST(race.stored(peer) == sent);
  race.finish();
}

BOOST_AUTO_TEST_CASE(accepts_one_of_many_messages_with_same_counter) {
  RaceFixture race;
  Peer peer = race.client_in_session("client");
  std::vector<std::string> kept = {"first"};
  for (RaceRounds rounds; rounds.start_next();) {
    const std::uint64_t counter = peer.next++;
    std::vector<std::string> answers(kConnections);
    race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
      const std::string body = std::to_string(counter) + " " + std::to_string(i);
      answers.at(static_cast<std::size_t>(i)) =
          post(peer, peer.seal(message_of(counter, body)), connection);
    });
    const AnswerCounts counts = count_answers(answers);
    BOOST_REQUIRE_MESSAGE((counts == AnswerCounts{{"accepted", 1}, {"conflict", kConnections - 1}}),
                          test::text_of(counts));
    const auto one = std::find(answers.begin(), answers.end(), "accepted") - answers.begin();
    kept.push_back(std::to_string(counter) + " " + std::to_string(one));
  }
  std::string all;
  for (const std::string& body : kept) all += body + "\n";
  BOOST_TEST(race.site.bodies() == all);
  race.finish();
}

// --- Handshakes ---

// One more than may wait call at once, each with the very same bytes twice; meanwhile the session
// that lives goes on.
std::vector<Peer> handshake_at_once(RaceFixture& race, Peer& peer) {
  constexpr std::size_t kHandshakes = kPendingMax + 1;
  std::vector<ClientHandshake> handshakes;
  for (std::size_t i = 0; i < kHandshakes; ++i) {
    handshakes.emplace_back(peer.credential, peer.install_nonce, peer.receipt, system_now(), false,
                            crypto::random_key());
  }
  const std::uint64_t next = peer.next;
  peer.next += kConnections;
  std::vector<Reply> replies(2 * kHandshakes);
  std::vector<std::string> answers(kConnections - replies.size());
  race.at_once(kConnections, [&](int number, GatewayConnection& connection) {
    const auto i = static_cast<std::size_t>(number);
    if (i < replies.size()) {
      replies[i] = connection.post(handshakes[i % kHandshakes].envelope().form());
    } else {
      answers[i - replies.size()] = post(peer, peer.seal(message_of(next + i, "x")), connection);
    }
  });
  const AnswerCounts counts = count_answers(answers);
  BOOST_REQUIRE_MESSAGE((counts == AnswerCounts{{"accepted", static_cast<int>(answers.size())}}),
                        test::text_of(counts));
  std::vector<Peer> started;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].status != 200) continue;
    const auto answer = handshakes[i % kHandshakes].finish(bytes_of(replies[i].body));
    BOOST_REQUIRE(answer);
    started.push_back(reinstalled(peer));
    started.back().session = answer->grant;
    started.back().keys = {answer->keys->c2s.clone(), answer->keys->s2c.clone()};
  }
  return started;
}

// All speak at once, each over several connections: which one is heard?  All that it says.
std::size_t find_active(RaceFixture& race, const std::vector<Peer>& handshaken,
                        std::uint64_t next) {
  const int each = kConnections / static_cast<int>(handshaken.size());
  std::vector<std::vector<std::string>> answers(handshaken.size());
  std::mutex mutex;
  race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
    const auto who = static_cast<std::size_t>(i / each);
    const Message message = message_of(next + static_cast<std::uint64_t>(i), "x");
    const std::string answer = post(handshaken[who], handshaken[who].seal(message), connection);
    const std::lock_guard lock(mutex);
    answers[who].push_back(answer);
  });
  std::size_t active = handshaken.size();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const AnswerCounts counts = count_answers(answers[i]);
    if (counts.contains("accepted")) active = i;
    const bool all_or_none =
        counts == AnswerCounts{{"accepted", each}} || counts == AnswerCounts{{"HTTP 403", each}};
    BOOST_REQUIRE_MESSAGE(all_or_none, test::text_of(counts));
  }
  BOOST_REQUIRE(active < handshaken.size());
  return active;
}

BOOST_AUTO_TEST_CASE(concurrent_handshakes_activate_one_session_and_end_none) {
  RaceFixture race;
  Peer peer = race.client_in_session("client");
  for (RaceRounds rounds; rounds.start_next();) {
    const int before = race.stored(peer);
    std::vector<Peer> handshaken = handshake_at_once(race, peer);
    BOOST_REQUIRE(handshaken.size() == std::size_t{kPendingMax});
    const std::size_t active = find_active(race, handshaken, peer.next);
    peer.next += kConnections;
    peer.session = handshaken[active].session;
    peer.keys = std::move(handshaken[active].keys);
    const std::vector<SessionRow> live = Clients(race.database).sessions(system_now());
    BOOST_REQUIRE(live.size() == 1U);
    BOOST_REQUIRE((live.front().id == peer.session->session_id));
    const int records = kConnections - 2 * (kPendingMax + 1) + kConnections / kPendingMax;
    BOOST_REQUIRE(race.stored(peer) == before + records);
  }
  race.finish();
}

// --- The end of a session ---

// One speaks over all connections but one, over which something is done meanwhile that ends its
// session. When that has returned nothing of it is accepted any more, not even what was on its way.
void send_until_ended(RaceFixture& race, Peer& peer, const std::string& answer_after,
                      const std::function<void(GatewayConnection&)>& end) {
  std::atomic<bool> ended = false;
  std::atomic<std::uint64_t> next = peer.next;
  const int before = race.stored(peer);
  std::atomic<int> accepted = 0;
  int stored_then = 0;
  std::vector<std::string> wrong(kConnections);
  race.at_once(kConnections, [&](int i, GatewayConnection& connection) {
    if (i == 0) {
      test::eventually("it speaks", [&] { return accepted > kConnections; });
      end(connection);
      stored_then = race.stored(peer);
      ended = true;
      return;
    }
    for (bool over = false; !over;) {
      over = ended;
      const std::string answer = post(peer, peer.seal(message_of(next++, "x")), connection);
      if (answer == "accepted" && !over) {
        ++accepted;
      } else if (answer != answer_after) {
        wrong.at(static_cast<std::size_t>(i)) = answer;
      }
    }
  });
  peer.next = next;
  const AnswerCounts counts = count_answers(wrong);
  BOOST_REQUIRE_MESSAGE((counts == AnswerCounts{{"", kConnections}}), test::text_of(counts));
  BOOST_REQUIRE(race.stored(peer) == stored_then);
  BOOST_REQUIRE(stored_then == before + accepted);
}

BOOST_AUTO_TEST_CASE(accepts_no_message_after_operator_ends_client) {
  RaceFixture race;
  const std::pair<std::vector<std::string>, std::string> commands[] = {
      {{"client", "revoke"}, "HTTP 403"},
      {{"client", "renew"}, "revoked"},
      {{"client", "remove"}, "HTTP 403"},
      {{"session", "end"}, "HTTP 403"},
  };
  for (RaceRounds rounds; rounds.start_next();) {
    const auto& [command, answer_after] = commands[rounds.count() % std::ssize(commands)];
    std::vector<std::string> arguments = command;
    arguments.push_back("client" + std::to_string(rounds.count()));
    Peer peer = race.client_in_session(arguments.back());
    send_until_ended(race, peer, answer_after, [&](GatewayConnection&) {
      if (race.site.operate(arguments).status != 0) throw std::runtime_error("the tool failed");
    });
  }
  race.finish();
}

// Two installations of one client take each other's place, with a new message or with one that
// came before.
BOOST_AUTO_TEST_CASE(accepts_no_message_of_replaced_installation) {
  RaceFixture race;
  Peer current = race.client_in_session("client");
  Peer other = reinstalled(current);
  std::map<InstallNonce, Message> sent_messages;
  for (RaceRounds rounds; rounds.start_next(); std::swap(current, other)) {
    BOOST_REQUIRE(other.handshake().status == "accepted");
    const bool again = sent_messages.contains(other.install_nonce) && rounds.count() % 4 < 2;
    const Message message = again ? sent_messages.at(other.install_nonce) : other.message("first");
    send_until_ended(race, current, "HTTP 403", [&](GatewayConnection& connection) {
      const std::string answer = post(other, other.seal(message), connection);
      if (answer != (again ? "duplicate" : "accepted")) throw std::runtime_error(answer);
    });
    sent_messages.insert_or_assign(other.install_nonce, message);
  }
  race.finish();
}

// --- Pruning ---

// A message, one of its seals, and the key of the answer to that.
struct SealedMessage {
  SealedMessage(const Peer& peer, Message of)
      : message(std::move(of)), envelope(peer.seal(message)), s2c(peer.keys->s2c.clone()) {}

  Message message;
  Envelope envelope;
  crypto::Key s2c;
  bool accepted = false;
};

// Counters go up in leaps, so that all the time some leave the window.
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
    // A few may be overtaken by twenty others.
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
  BOOST_TEST(race.accepted() == accepted, "none was lost, either");
  race.finish();
}

// --- All of it ---

// The credentials that the operator has given out last.
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

// One of several installations of a client, each of which ends the others' sessions: it speaks,
// repeats itself, calls, and plays back its own calls.
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
  std::string wrong;  // the last word that should not have been said

 private:
  // With the credential that there is now.
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
                             false);  // some come and go, and any thread lets them in
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

// --- Migration ---

// All threads of all gateways, the operator's tool and a program of his find the first schema at
// once, with clients at the door who have been talking all the while.
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
    test::eventually("they talk",
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
