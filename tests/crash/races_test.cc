// Four gateways of eight threads each on one socket and one database: messages and handshakes at
// once, and an operator who ends a session meanwhile.  Built with ThreadSanitizer (make tsan) it
// also fails where two threads of a gateway use the same memory.
//
//   SEALPOST_RACE_SECONDS  how long each case runs (2)
#define BOOST_TEST_MODULE races
#include <boost/test/unit_test.hpp>
#include <mutex>

#include "store/clients.h"
#include "store/store.h"
#include "support/race_fixture.h"

namespace sealpost {
namespace {

using test::AnswerCounts;
using test::count_answers;
using test::GatewayConnection;
using test::kConnections;
using test::message_of;
using test::Peer;
using test::post;
using test::RaceFixture;
using test::RaceRounds;
using test::Reply;

// The same bytes, and the same message sealed again; the session's first message or a later one.
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

// Makes twice as many handshakes as may be pending, all at once, some twice with the same bytes.
// Meanwhile the active session is in use.
constexpr std::size_t kHandshakes = 2 * kPendingMax;
constexpr int kMessages = 4;

std::vector<Peer> handshake_at_once(RaceFixture& race, Peer& peer) {
  std::vector<ClientHandshake> handshakes;
  for (std::size_t i = 0; i < kHandshakes; ++i) {
    handshakes.emplace_back(peer.credential, peer.install_nonce, peer.receipt, system_now(), false,
                            crypto::random_key());
  }
  const std::uint64_t next = peer.next;
  peer.next += kConnections;
  std::vector<Reply> replies(kConnections - kMessages);
  std::vector<std::string> answers(kMessages);
  race.at_once(kConnections, [&](int number, GatewayConnection& connection) {
    const auto i = static_cast<std::size_t>(number);
    if (i < replies.size()) {
      replies[i] = connection.post(handshakes[i % kHandshakes].envelope().form());
    } else {
      answers[i - replies.size()] = post(peer, peer.seal(message_of(next + i, "x")), connection);
    }
  });
  const AnswerCounts counts = count_answers(answers);
  BOOST_REQUIRE_MESSAGE((counts == AnswerCounts{{"accepted", kMessages}}), test::text_of(counts));
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

// All clients send at once, each over several connections.  Returns the one whose messages are
// accepted; all of its messages must be.
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

BOOST_AUTO_TEST_CASE(concurrent_handshakes_activate_one_session_and_end_no_active_one) {
  RaceFixture race;
  Peer peer = race.client_in_session("client");
  for (RaceRounds rounds; rounds.start_next();) {
    {
      // Else the rounds would reach the bound of sessions that a client may begin (PROTOCOL 5).
      Write write(race.database);
      race.database.handle().exec("DELETE FROM handshake");
      write.commit();
    }
    const int before = race.stored(peer);
    std::vector<Peer> handshaken = handshake_at_once(race, peer);
    BOOST_REQUIRE(handshaken.size() == kHandshakes);
    const std::size_t active = find_active(race, handshaken, peer.next);
    peer.next += kConnections;
    peer.session = handshaken[active].session;
    peer.keys = std::move(handshaken[active].keys);
    const std::vector<SessionRow> live = Clients(race.database).sessions(system_now());
    BOOST_REQUIRE(live.size() == 1U);
    BOOST_REQUIRE((live.front().id == peer.session->session_id));
    const int records = kMessages + kConnections / static_cast<int>(kHandshakes);
    BOOST_REQUIRE(race.stored(peer) == before + records);
  }
  race.finish();
}

// The peer sends over all connections but one.  Over that one `end` ends its session.  After `end`
// has returned, none of the peer's messages is accepted, not even those already sent.
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
      test::eventually("the client sends", [&] { return accepted > kConnections; });
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
      {{"client", "renew", "--grace", "0"}, "revoked"},
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

// Two installations of one client replace each other, with a new message or with an earlier one.
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

}  // namespace
}  // namespace sealpost
