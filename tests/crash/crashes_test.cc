// Gateways are killed at random moments, many times over, while several clients talk.  What each
// client was told is kept here, outside of what is killed: what was acknowledged is stored once,
// what was not at most once, and the database is whole.
//
//   SEALPOST_CRASH_ROUNDS  how often something is killed (50)
//   SEALPOST_CRASH_SEED    the moments of another run, as far as threads repeat themselves
#define BOOST_TEST_MODULE crashes
#include <signal.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "client/courier.h"
#include "store/upkeep.h"
#include "support/socket_site.h"

namespace sealpost {
namespace {

using test::Clock;
using test::Exchange;
using test::Line;
using test::Peer;
using test::Reply;
using test::SocketSite;
using Random = std::mt19937;

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::stoul(text));
}

constexpr auto kPatience = std::chrono::seconds(20);

int any_of(Random& random, int most) { return std::uniform_int_distribution(0, most)(random); }

bool one_in(Random& random, int times) { return any_of(random, times - 1) == 0; }

void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

// What tells a message from all others; the rest is ballast.
std::string name_of(const std::string& body) { return body.substr(0, body.find(' ')); }

// --- What the clients know ---

class Book {
 public:
  void sent(const std::string& body) { add(sent_, body); }
  void acknowledged(const std::string& body) { add(acknowledged_, body); }
  // What no client must ever be told, or find.
  void complaint(const std::string& sentence) { add(complaints_, sentence); }
  void cut_off() { ++cut_off_; }

  [[nodiscard]] std::set<std::string> sent() const { return copy(sent_); }
  [[nodiscard]] std::set<std::string> acknowledged() const { return copy(acknowledged_); }
  [[nodiscard]] std::set<std::string> complaints() const { return copy(complaints_); }
  // Requests that were begun and got no answer.
  [[nodiscard]] int cut_off_count() const { return cut_off_; }

 private:
  void add(std::set<std::string>& to, const std::string& what) {
    const std::lock_guard lock(mutex_);
    to.insert(what);
  }
  [[nodiscard]] std::set<std::string> copy(const std::set<std::string>& from) const {
    const std::lock_guard lock(mutex_);
    return from;
  }

  mutable std::mutex mutex_;
  std::set<std::string> sent_;
  std::set<std::string> acknowledged_;
  std::set<std::string> complaints_;
  std::atomic<int> cut_off_ = 0;
};

// --- The clients ---

// Sends one message after the other in a thread of its own.
class Sender {
 public:
  Sender(std::string name, Book& book, unsigned seed)
      : name_(std::move(name)), book_(book), random_(seed) {}
  virtual ~Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void start() {
    thread_ = std::thread([this] { talk(); });
  }
  // Returns when the message at hand is settled, or patience is at its end.
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

 protected:
  // Sees one message through; asks require_patience() before every try.
  virtual void send(const std::string& body) = 0;

  void require_patience() const {
    if (Clock::now() > begun_ + kPatience) throw std::runtime_error("is not served any more");
  }

  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] Book& book() { return book_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  void complain(const std::string& what) { book_.complaint(name_ + ": " + what); }
  // An answer, or that none came.
  Reply noted(Reply reply) {
    if (reply.status == 0) book_.cut_off();
    return reply;
  }

 private:
  void talk() {
    try {
      for (int number = 1; !stopping_; ++number) {
        std::string body = name_ + "-" + std::to_string(number) + " ";
        // Most are small; some fill the WAL, so that checkpoints are cut off, too.
        body.append(one_in(random_, 50) ? 60'000 : static_cast<std::size_t>(any_of(random_, 200)),
                    'x');
        book_.sent(body);
        begun_ = Clock::now();
        send(body);
      }
    } catch (const std::exception& error) {
      complain(error.what());
    }
  }

  std::string name_;
  Book& book_;
  Random random_;
  Clock::time_point begun_ = Clock::now();
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// The client library, with its state on disk; it only rests less.
class Library : public Sender {
 public:
  Library(SocketSite& site, const std::string& name, Book& book, unsigned seed)
      : Sender(name, book, seed), outbox_(site.folder / name), line_(site.socket(), false) {
    const std::string text = test::read_text(site.credential(name, site.url()));
    const auto fresh = ClientState::fresh(Credential::parse(text));
    if (!outbox_.lock(0)) throw std::runtime_error("the outbox is locked");
    outbox_.install(bytes_of(text), fresh);
    courier_.emplace(outbox_, Courier::World{[this](const std::string& form) { return post(form); },
                                             system_now, [](Milliseconds) { rest(); },
                                             [this](const std::string& what) { complain(what); }});
    if (courier_->connect().kind != Outcome::Kind::kAccepted) complain("has no session");
  }
  ~Library() override { stop(); }

 private:
  void send(const std::string& body) override {
    Outcome outcome = courier_->deliver(outbox_.store("t", body));
    while (outcome.kind == Outcome::Kind::kOpen) {
      require_patience();
      outcome = courier_->deliver_all();
    }
    if (outcome.kind == Outcome::Kind::kAccepted) return book().acknowledged(body);
    complain("was told " + outcome.status);
  }

  HttpAnswer post(const std::string& form) {
    const Reply reply = noted(line_.post(form));
    return {reply.status, reply.body, "cut off"};
  }

  Outbox outbox_;
  Line line_;
  std::optional<Courier> courier_;
};

// A client that keeps its connection, often makes a new session, and sends the very same bytes
// again, or seals the same message anew, until it is told.
class Insistent : public Sender {
 public:
  Insistent(const SocketSite& site, const std::string& name, Book& book, unsigned seed)
      : Sender(name, book, seed), line_(site.socket(), true), peer_(site.client(name)) {
    peer_.wire = [this](const std::string& form) { return noted(line_.post(form)); };
    shake_hands();
  }
  ~Insistent() override { stop(); }

 protected:
  void send(const std::string& body) override {
    const Message message = peer_.message(body);
    if (one_in(random(), 20)) shake_hands();
    std::optional<Envelope> envelope;
    for (;;) {
      require_patience();
      if (!envelope || one_in(random(), 2)) envelope = peer_.seal(message);
      const Exchange told = peer_.post(*envelope);
      if (told.status == "accepted" || told.status == "duplicate") {
        return book().acknowledged(body);
      }
      if (!may_go_on(told)) return complain("was told " + words(told) + " of " + name_of(body));
    }
  }

  // Goes on with the session it has where four answers in a row were lost: no more may wait.
  void shake_hands() {
    for (;;) {
      require_patience();
      const Exchange told = peer_.handshake();
      if (told.status == "accepted" || told.status == "unavailable") return;
      if (!may_go_on(told)) throw std::runtime_error("was told " + words(told) + " in a handshake");
    }
  }

  [[nodiscard]] Peer& peer() { return peer_; }

 private:
  // A crash loses answers.  It never loses a session, or refuses anybody.
  static bool may_go_on(const Exchange& told) { return told.reply.status == 0; }
  static std::string words(const Exchange& told) {
    return std::to_string(told.reply.status) + " " + told.status;
  }

  Line line_;
  Peer peer_;
};

// A client that sends its messages, some of them twice, and leaves before it is told anything.
class Careless : public Insistent {
 public:
  using Insistent::Insistent;
  Careless(const SocketSite& site, const std::string& name, Book& book, unsigned seed)
      : Insistent(site, name, book, seed), path_(site.socket()) {}
  ~Careless() override { stop(); }

 private:
  void send(const std::string& body) override {
    if (one_in(random(), 4)) return Insistent::send(body);
    const std::string form = peer().seal(peer().message(body)).form();
    for (int times = 1 + any_of(random(), 1); times > 0; --times) {
      Line line(path_, false);
      line.connection().request(form, false);
    }
  }

  std::string path_;
};

// --- The database ---

std::map<std::string, int> times_stored(const SocketSite& site) {
  std::map<std::string, int> times;
  for (const InboxRow& row : site.inbox()) ++times[std::string(text_of(row.body))];
  return times;
}

// Of messages of before, while more may come.
void expect_stored(const std::set<std::string>& acknowledged,
                   const std::map<std::string, int>& times) {
  std::string lost;
  std::string doubled;
  for (const std::string& body : acknowledged) {
    if (!times.contains(body)) lost += name_of(body) + " ";
  }
  for (const auto& [body, count] : times) {
    if (count != 1) doubled += name_of(body) + " ";
  }
  BOOST_TEST(lost == "", "acknowledged and lost: " << lost);
  BOOST_TEST(doubled == "", "stored more than once: " << doubled);
}

void expect_whole(const SocketSite& site) {
  Database database(site.home.store_paths(), site.home.server_id());
  const Health health = examine(database);
  for (const std::string& damage : health.damage) BOOST_ERROR(damage);
  BOOST_TEST(health.epoch_reason == "init", "no client had to prove that something was lost");
}

// --- The test ---

struct Crowd {
  SocketSite site{2};
  Book book;
  std::vector<std::unique_ptr<Sender>> senders;

  explicit Crowd(Random& random) {
    add<Library>(3, "library", random);
    add<Insistent>(3, "insistent", random);
    add<Careless>(2, "careless", random);
  }
  ~Crowd() {
    for (const auto& one : senders) one->stop();
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  template <class Kind>
  void add(int count, const std::string& name, Random& random) {
    for (int i = 0; i < count; ++i) {
      senders.push_back(std::make_unique<Kind>(site, name + std::to_string(i), book, random()));
    }
  }

  // Of two gateways the older one or both.  Every other time within a gateway's first moments, when
  // it opens the database and finds what the last one has left.
  void kill(Random& random) {
    const int within = one_in(random, 2) ? 6'000 : 60'000;
    std::this_thread::sleep_for(std::chrono::microseconds(any_of(random, within)));
    std::list<test::Process> killed;
    const bool all = one_in(random, 2);
    killed.splice(killed.end(), site.gateways, site.gateways.begin(),
                  all ? site.gateways.end() : std::next(site.gateways.begin()));
    for (const test::Process& one : killed) one.signal(SIGKILL);
    for (test::Process& one : killed) {
      BOOST_TEST(one.wait(std::chrono::seconds(5)).value_or(0) == -SIGKILL, "it had ended before");
      site.gateways.push_back(site.start());
    }
  }

  void expect_nothing_lost() const {
    const std::set<std::string> acknowledged = book.acknowledged();
    expect_stored(acknowledged, times_stored(site));
  }
};

BOOST_AUTO_TEST_CASE(whenever_it_is_killed_what_was_acknowledged_is_stored_exactly_once) {
  const unsigned rounds = number_from("SEALPOST_CRASH_ROUNDS", 50);
  const unsigned seed = number_from("SEALPOST_CRASH_SEED", std::random_device{}());
  std::cout << "crashes: " << rounds << " rounds, seed " << seed << std::endl;
  Random random(seed);
  Crowd crowd(random);
  for (const auto& one : crowd.senders) one->start();
  for (unsigned round = 1; round <= rounds; ++round) {
    crowd.kill(random);
    if (round % 100 == 0) crowd.expect_nothing_lost();
  }
  for (const auto& one : crowd.senders) one->stop();
  crowd.site.stop();

  const std::set<std::string> sent = crowd.book.sent();
  const std::set<std::string> acknowledged = crowd.book.acknowledged();
  const std::map<std::string, int> times = times_stored(crowd.site);
  std::cout << "crashes: " << sent.size() << " messages sent, " << acknowledged.size()
            << " acknowledged, " << times.size() << " stored; " << crowd.book.cut_off_count()
            << " requests cut off" << std::endl;
  for (const std::string& complaint : crowd.book.complaints()) BOOST_ERROR(complaint);
  expect_stored(acknowledged, times);
  for (const auto& [body, count] : times) {
    if (!sent.contains(body)) BOOST_ERROR(name_of(body) + " came from nowhere");
  }
  expect_whole(crowd.site);
  // It did happen.
  BOOST_TEST(crowd.book.cut_off_count() > static_cast<int>(rounds) / 4);
  BOOST_TEST(acknowledged.size() > rounds);
}

}  // namespace
}  // namespace sealpost
