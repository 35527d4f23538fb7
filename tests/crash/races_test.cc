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
#include "support/arena.h"
#include "support/load_clients.h"
#include "support/old_schema.h"

namespace sealpost {
namespace {

using test::Arena;
using test::Book;
using test::Clock;
using test::kLines;
using test::kProcesses;
using test::Line;
using test::message_of;
using test::Peer;
using test::post;
using test::Reply;
using test::ResendingClient;
using test::Rounds;
using test::SocketSite;
using test::Words;
using test::words_of;

// --- One counter ---

// The very same bytes, and the same message sealed anew; the session's first one or a later one.
BOOST_AUTO_TEST_CASE(one_message_from_everywhere_at_once_is_accepted_once) {
  Arena arena;
  Peer peer = arena.speaker("client", false);
  int sent = 0;
  for (Rounds rounds; rounds.go_on(); ++sent) {
    if (sent % 4 == 0) BOOST_REQUIRE(peer.handshake().status == "accepted");
    const Message message = peer.message();
    const Envelope first = peer.seal(message);
    std::vector<std::string> told(kLines);
    arena.at_once(kLines, [&](int i, Line& line) {
      told.at(static_cast<std::size_t>(i)) =
          post(peer, i % 8 < 4 ? first : peer.seal(message), line);
    });
    const Words words = words_of(told);
    BOOST_REQUIRE_MESSAGE((words == Words{{"accepted", 1}, {"duplicate", kLines - 1}}),
                          test::text_of(words));
  }
  BOOST_TEST(arena.stored(peer) == sent);
  arena.finish();
}

BOOST_AUTO_TEST_CASE(of_many_messages_with_one_counter_one_is_accepted_and_kept) {
  Arena arena;
  Peer peer = arena.speaker("client");
  std::vector<std::string> kept = {"first"};
  for (Rounds rounds; rounds.go_on();) {
    const std::uint64_t counter = peer.next++;
    std::vector<std::string> told(kLines);
    arena.at_once(kLines, [&](int i, Line& line) {
      const std::string body = std::to_string(counter) + " " + std::to_string(i);
      told.at(static_cast<std::size_t>(i)) = post(peer, peer.seal(message_of(counter, body)), line);
    });
    const Words words = words_of(told);
    BOOST_REQUIRE_MESSAGE((words == Words{{"accepted", 1}, {"conflict", kLines - 1}}),
                          test::text_of(words));
    const auto one = std::find(told.begin(), told.end(), "accepted") - told.begin();
    kept.push_back(std::to_string(counter) + " " + std::to_string(one));
  }
  std::string all;
  for (const std::string& body : kept) all += body + "\n";
  BOOST_TEST(arena.site.bodies() == all);
  arena.finish();
}

// --- Handshakes ---

// One more than may wait call at once, each with the very same bytes twice; meanwhile the session
// that lives goes on.
std::vector<Peer> call_at_once(Arena& arena, Peer& peer) {
  constexpr std::size_t kCalls = kPendingMax + 1;
  std::vector<ClientHandshake> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.emplace_back(peer.credential, peer.install_nonce, peer.receipt, system_now(), false,
                       crypto::random_key());
  }
  const std::uint64_t next = peer.next;
  peer.next += kLines;
  std::vector<Reply> replies(2 * kCalls);
  std::vector<std::string> told(kLines - replies.size());
  arena.at_once(kLines, [&](int number, Line& line) {
    const auto i = static_cast<std::size_t>(number);
    if (i < replies.size()) {
      replies[i] = line.post(calls[i % kCalls].envelope().form());
    } else {
      told[i - replies.size()] = post(peer, peer.seal(message_of(next + i, "x")), line);
    }
  });
  const Words words = words_of(told);
  BOOST_REQUIRE_MESSAGE((words == Words{{"accepted", static_cast<int>(told.size())}}),
                        test::text_of(words));
  std::vector<Peer> begun;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].status != 200) continue;
    const auto answer = calls[i % kCalls].finish(bytes_of(replies[i].body));
    BOOST_REQUIRE(answer);
    begun.push_back(another(peer));
    begun.back().session = answer->grant;
    begun.back().keys = {answer->keys->c2s.clone(), answer->keys->s2c.clone()};
  }
  return begun;
}

// All speak at once, each over several lines: which one is heard?  All that it says.
std::size_t heard_of(Arena& arena, const std::vector<Peer>& callers, std::uint64_t next) {
  const int each = kLines / static_cast<int>(callers.size());
  std::vector<std::vector<std::string>> told(callers.size());
  std::mutex mutex;
  arena.at_once(kLines, [&](int i, Line& line) {
    const auto who = static_cast<std::size_t>(i / each);
    const Message message = message_of(next + static_cast<std::uint64_t>(i), "x");
    const std::string word = post(callers[who], callers[who].seal(message), line);
    const std::lock_guard lock(mutex);
    told[who].push_back(word);
  });
  std::size_t heard = callers.size();
  for (std::size_t i = 0; i < told.size(); ++i) {
    const Words words = words_of(told[i]);
    if (words.contains("accepted")) heard = i;
    const bool all_or_none =
        words == Words{{"accepted", each}} || words == Words{{"HTTP 403", each}};
    BOOST_REQUIRE_MESSAGE(all_or_none, test::text_of(words));
  }
  BOOST_REQUIRE(heard < callers.size());
  return heard;
}

BOOST_AUTO_TEST_CASE(handshakes_harm_no_session_and_of_those_they_begin_one_comes_to_life) {
  Arena arena;
  Peer peer = arena.speaker("client");
  for (Rounds rounds; rounds.go_on();) {
    const int before = arena.stored(peer);
    std::vector<Peer> callers = call_at_once(arena, peer);
    BOOST_REQUIRE(callers.size() == std::size_t{kPendingMax});
    const std::size_t heard = heard_of(arena, callers, peer.next);
    peer.next += kLines;
    peer.session = callers[heard].session;
    peer.keys = std::move(callers[heard].keys);
    const std::vector<SessionRow> live = Clients(arena.database).sessions(system_now());
    BOOST_REQUIRE(live.size() == 1U);
    BOOST_REQUIRE((live.front().id == peer.session->session_id));
    const int records = kLines - 2 * (kPendingMax + 1) + kLines / kPendingMax;
    BOOST_REQUIRE(arena.stored(peer) == before + records);
  }
  arena.finish();
}

// --- The end of a session ---

// One speaks over all lines but one, over which something is done meanwhile that ends its session.
// When that has returned nothing of it is accepted any more, not even what was on its way.
void speak_until(Arena& arena, Peer& peer, const std::string& word_then,
                 const std::function<void(Line&)>& end) {
  std::atomic<bool> ended = false;
  std::atomic<std::uint64_t> next = peer.next;
  const int before = arena.stored(peer);
  std::atomic<int> accepted = 0;
  int stored_then = 0;
  std::vector<std::string> wrong(kLines);
  arena.at_once(kLines, [&](int i, Line& line) {
    if (i == 0) {
      test::eventually("it speaks", [&] { return accepted > kLines; });
      end(line);
      stored_then = arena.stored(peer);
      ended = true;
      return;
    }
    for (bool over = false; !over;) {
      over = ended;
      const std::string word = post(peer, peer.seal(message_of(next++, "x")), line);
      if (word == "accepted" && !over) {
        ++accepted;
      } else if (word != word_then) {
        wrong.at(static_cast<std::size_t>(i)) = word;
      }
    }
  });
  peer.next = next;
  const Words words = words_of(wrong);
  BOOST_REQUIRE_MESSAGE((words == Words{{"", kLines}}), test::text_of(words));
  BOOST_REQUIRE(arena.stored(peer) == stored_then);
  BOOST_REQUIRE(stored_then == before + accepted);
}

BOOST_AUTO_TEST_CASE(after_an_operators_word_has_been_heard_no_message_is_accepted) {
  Arena arena;
  const std::pair<std::vector<std::string>, std::string> orders[] = {
      {{"client", "revoke"}, "HTTP 403"},
      {{"client", "renew"}, "revoked"},
      {{"client", "remove"}, "HTTP 403"},
      {{"session", "end"}, "HTTP 403"},
  };
  for (Rounds rounds; rounds.go_on();) {
    const auto& [order, word_then] = orders[rounds.count() % std::ssize(orders)];
    std::vector<std::string> words = order;
    words.push_back("client" + std::to_string(rounds.count()));
    Peer peer = arena.speaker(words.back());
    speak_until(arena, peer, word_then, [&](Line&) {
      if (arena.site.operate(words).status != 0) throw std::runtime_error("the tool failed");
    });
  }
  arena.finish();
}

// Two installations of one client take each other's place, with a new message or with one that
// came before.
BOOST_AUTO_TEST_CASE(after_another_installation_has_taken_over_no_message_is_accepted) {
  Arena arena;
  Peer speaking = arena.speaker("client");
  Peer other = another(speaking);
  std::map<InstallNonce, Message> spoken;
  for (Rounds rounds; rounds.go_on(); std::swap(speaking, other)) {
    BOOST_REQUIRE(other.handshake().status == "accepted");
    const bool again = spoken.contains(other.install_nonce) && rounds.count() % 4 < 2;
    const Message message = again ? spoken.at(other.install_nonce) : other.message("first");
    speak_until(arena, speaking, "HTTP 403", [&](Line& line) {
      const std::string word = post(other, other.seal(message), line);
      if (word != (again ? "duplicate" : "accepted")) throw std::runtime_error(word);
    });
    spoken.insert_or_assign(other.install_nonce, message);
  }
  arena.finish();
}

// --- Pruning ---

// A message, one of its seals, and the key of the answer to that.
struct Kept {
  Kept(const Peer& peer, Message of)
      : message(std::move(of)), envelope(peer.seal(message)), s2c(peer.keys->s2c.clone()) {}

  Message message;
  Envelope envelope;
  crypto::Key s2c;
  bool accepted = false;
};

// Counters go up in leaps, so that all the time some leave the window.
BOOST_AUTO_TEST_CASE(a_message_that_is_pruned_is_never_accepted_a_second_time) {
  Arena arena;
  Peer peer = arena.speaker("client");
  std::mutex mutex;  // of the next two
  std::vector<Kept> kept;
  std::string wrong;
  std::int64_t accepted = 1;
  Inbox::Pruned pruned;
  const auto say_new = [&](Line& line) {
    std::unique_lock lock(mutex);
    peer.next += 50;
    Kept one(peer, peer.message());
    lock.unlock();
    const std::string word = post(peer, one.envelope, line);
    lock.lock();
    // A few may be overtaken by twenty others.
    if (word != "accepted" && word != "too_old") wrong = "new: " + word;
    one.accepted = word == "accepted";
    accepted += one.accepted ? 1 : 0;
    kept.push_back(std::move(one));
  };
  const auto say_again = [&](Line& line, test::Random& random) {
    std::unique_lock lock(mutex);
    if (kept.empty()) return;
    const int back = test::any_of(random, std::min(static_cast<int>(kept.size()) - 1, 40));
    const Kept& one = kept[kept.size() - 1 - static_cast<std::size_t>(back)];
    const Envelope envelope = test::one_in(random, 2) ? one.envelope : peer.seal(one.message);
    const bool known = one.accepted;
    lock.unlock();
    const std::string word = post(peer, envelope, line);
    lock.lock();
    if (word != "too_old" && !(known && word == "duplicate")) wrong = "again: " + word;
  };
  for (Rounds rounds; rounds.go_on();) {
    arena.at_once(kLines, [&](int i, Line& line) {
      test::Random random{std::random_device{}()};
      if (i == 0) {
        const Inbox::Pruned now = Inbox(arena.database).prune(system_now() + Milliseconds{1});
        pruned.deleted += now.deleted;
        pruned.emptied += now.emptied;
      } else {
        for (int times = 0; times < 8; ++times) {
          i % 3 == 0 ? say_new(line) : say_again(line, random);
        }
      }
    });
    BOOST_REQUIRE_MESSAGE(wrong.empty(), wrong);
  }
  BOOST_TEST(pruned.deleted > 20);
  BOOST_TEST(pruned.emptied > 20);
  BOOST_TEST(arena.accepted() == accepted, "none was lost, either");
  arena.finish();
}

// --- All of it ---

// The credentials that the operator has given out last.
class Desk {
 public:
  Desk(const SocketSite& site, int clients) : site_(site) {
    for (int i = 0; i < clients; ++i) issue("add", "client" + std::to_string(i));
  }
  void issue(const std::string& how, const std::string& name) {
    std::vector<std::string> words = {"client", how, name};
    if (how == "add") words.insert(words.end(), {"--role", "sensor"});
    const std::string credential = site_.operate(words).out;
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
class Rival {
 public:
  Rival(const Desk& desk, std::string name, Line& line)
      : desk_(desk), name_(std::move(name)), line_(line) {
    begin();
  }

  void act() {
    const int what = test::any_of(random_, 9);
    if (!peer_->session || what == 0) return call();
    if (what == 1 && !last_call_.empty()) return play_back();
    if (what < 5 && !kept_.empty()) {
      Kept& one = kept_.at(
          static_cast<std::size_t>(test::any_of(random_, static_cast<int>(kept_.size()) - 1)));
      return test::one_in(random_, 2) ? say(one, one.envelope, one.s2c)
                                      : say(one, peer_->seal(one.message), peer_->keys->s2c);
    }
    Kept& one = kept_.emplace_back(*peer_, peer_->message());
    say(one, one.envelope, one.s2c);
  }

  int accepted = 0;
  std::string wrong;  // the last word that should not have been said

 private:
  // With the credential that there is now.
  void begin() {
    peer_.emplace(desk_.peer(name_));
    peer_->wire = [this](const std::string& form) { return line_.post(form); };
    kept_.clear();
    last_call_.clear();
  }

  void call() {
    const test::Exchange told = peer_->handshake();
    if (told.status == "accepted") last_call_ = told.form;
    if (told.status == "revoked") return begin();
    if (told.status != "accepted" && told.status != "unavailable") wrong = "call: " + told.status;
  }

  void play_back() {
    if (const int status = line_.post(last_call_).status; status != 403) {
      wrong = "playback: " + std::to_string(status);
    }
  }

  void say(Kept& one, const Envelope& envelope, const crypto::Key& s2c) {
    const std::string word = post(s2c, envelope, line_);
    if (word == "accepted") {
      if (one.accepted) wrong = "accepted a second time";
      one.accepted = true;
      ++accepted;
    } else if (word == "HTTP 403") {
      peer_->session.reset();
    } else if (word == "revoked") {
      begin();
    } else if (word != "too_old" && !(one.accepted && word == "duplicate")) {
      wrong = "message: " + word;
    }
  }

  const Desk& desk_;
  std::string name_;
  Line& line_;
  test::Random random_{std::random_device{}()};
  std::optional<Peer> peer_;
  std::vector<Kept> kept_;
  std::string last_call_;
};

BOOST_AUTO_TEST_CASE(whatever_happens_at_once_each_message_is_accepted_once_and_counted) {
  constexpr int kClients = 5;
  Arena arena;
  Desk desk(arena.site, kClients);
  std::mutex mutex;
  std::int64_t accepted = 0;
  std::vector<std::string> wrong;
  const auto end = Clock::now() + test::race_time();
  arena.at_once(kLines, [&](int i, Line& line) {
    if (i == 0) {
      for (int turn = 0; Clock::now() < end; ++turn) {
        const std::string name = "client" + std::to_string(turn % kClients);
        (void)Inbox(arena.database).prune(system_now() + Milliseconds{1});
        if (turn % 4 == 0) desk.issue("renew", name);
        if (turn % 4 == 2) Clients(arena.database).end_sessions(name);
      }
      return;
    }
    Line unkept(arena.site.socket(), false);  // some come and go, and any thread lets them in
    Rival rival(desk, "client" + std::to_string(i % kClients), i % 2 == 0 ? line : unkept);
    while (Clock::now() < end) rival.act();
    const std::lock_guard lock(mutex);
    accepted += rival.accepted;
    wrong.push_back(rival.wrong);
  });
  BOOST_TEST((words_of(wrong) == Words{{"", kLines - 1}}), test::text_of(words_of(wrong)));
  BOOST_TEST(arena.accepted() == accepted);
  BOOST_TEST(accepted > kLines);
  arena.finish();
}

// --- Migration ---

// All threads of all gateways, the operator's tool and a program of his find the first schema at
// once, with clients at the door who have been talking all the while.
BOOST_AUTO_TEST_CASE(a_database_that_is_migrated_by_many_at_once_loses_nothing) {
  SocketSite site(kProcesses, test::kArguments);
  const std::string newest = test::newest_schema();
  const std::string path = site.home.store_paths().database;
  Book book;
  std::vector<std::unique_ptr<ResendingClient>> clients;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "client" + std::to_string(i);
    clients.push_back(std::make_unique<ResendingClient>(site, name, book, std::random_device{}()));
  }
  Peer witness = site.client("witness");
  BOOST_REQUIRE(witness.handshake().status == "accepted");
  const Message testimony = witness.message("testimony");
  book.sent("testimony");
  BOOST_REQUIRE(witness.send(testimony).status == "accepted");
  book.acknowledged("testimony");
  for (const auto& one : clients) one->start();
  for (Rounds rounds; rounds.go_on();) {
    const std::size_t before = book.acknowledged_count();
    test::eventually("they talk", [&] { return book.acknowledged_count() > before + kLines; });
    rounds.count() % 2 == 0 ? site.stop() : site.kill();
    test::turn_back(site);
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
  book.expect_all_is_well(site);
  test::expect_whole(site);
}

}  // namespace
}  // namespace sealpost
