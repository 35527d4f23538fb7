// GatewayRegistry are killed at random moments, many times over, while several clients talk.  What
// each client was told is kept here, outside of what is killed: what was acknowledged is stored
// once, what was not at most once, and the database is whole.
//
//   SEALPOST_CRASH_ROUNDS  how often something is killed (50)
//   SEALPOST_CRASH_SEED    the moments of another run, as far as threads repeat themselves
#define BOOST_TEST_MODULE crashes
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <iostream>

#include "client/sender.h"
#include "support/load_clients.h"

namespace sealpost {
namespace {

using test::any_of;
using test::Line;
using test::LoadClient;
using test::one_in;
using test::Random;
using test::Reply;
using test::ResendingClient;
using test::SocketSite;

// The client library, with its state on disk; it only rests less.
class Library : public LoadClient {
 public:
  Library(SocketSite& site, const std::string& name, test::Book& book, unsigned seed)
      : LoadClient(name, book, seed), outbox_(site.folder / name), line_(site.socket(), false) {
    const std::string text = test::read_text(site.credential(name, site.url()));
    BOOST_REQUIRE(outbox_.lock(0));
    outbox_.install(bytes_of(text), ClientState::fresh(Credential::parse(text)));
    courier_.emplace(outbox_, Sender::Environment{[this](const std::string& form) { return post(form); },
                                            system_now, [](Milliseconds) { usleep(2'000); },
                                            [this](const std::string& what) { complain(what); }});
    BOOST_TEST((courier_->connect().kind == Outcome::Kind::kAccepted));
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
    complain("was told " + std::string(name_of(outcome.status)));
  }

  HttpAnswer post(const std::string& form) {
    const Reply reply = noted(line_.post(form));
    return {reply.status, reply.body, "cut off"};
  }

  Outbox outbox_;
  Line line_;
  std::optional<Sender> courier_;
};

// Sends most of its messages once or twice, and leaves before it is told anything.
class Careless : public ResendingClient {
 public:
  Careless(const SocketSite& site, const std::string& name, test::Book& book, unsigned seed)
      : ResendingClient(site, name, book, seed), path_(site.socket()) {}
  ~Careless() override { stop(); }

 private:
  void send(const std::string& body) override {
    if (one_in(random(), 4)) return ResendingClient::send(body);
    const std::string form = peer().seal(peer().message(body)).form();
    for (int times = 1 + any_of(random(), 1); times > 0; --times) {
      Line line(path_, false);
      line.connection().request(form, false);
    }
  }

  std::string path_;
};

struct Crowd {
  SocketSite site{2};
  test::Book book;
  std::vector<std::unique_ptr<LoadClient>> senders;

  explicit Crowd(Random& random) {
    add<Library>(3, "library", random);
    add<ResendingClient>(3, "insistent", random);
    add<Careless>(2, "careless", random);
  }

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
};

BOOST_AUTO_TEST_CASE(whenever_it_is_killed_what_was_acknowledged_is_stored_exactly_once) {
  const unsigned rounds = test::number_from("SEALPOST_CRASH_ROUNDS", 50);
  const unsigned seed = test::number_from("SEALPOST_CRASH_SEED", std::random_device{}());
  std::cout << "crashes: " << rounds << " rounds, seed " << seed << std::endl;
  Random random(seed);
  Crowd crowd(random);
  for (const auto& one : crowd.senders) one->start();
  for (unsigned round = 1; round <= rounds; ++round) {
    crowd.kill(random);
    if (round % 10 == 0) {
      test::eventually("they go on", [&] { return crowd.book.acknowledged_count() > round; });
    }
    if (round % 100 == 0) crowd.book.expect_stored(crowd.site);
  }
  for (const auto& one : crowd.senders) one->stop();
  crowd.site.stop();

  std::cout << "crashes: " << crowd.book.figures() << std::endl;
  crowd.book.expect_all_is_well(crowd.site);
  test::expect_whole(crowd.site);
  // It did happen: none of this is true of nothing.
  BOOST_TEST(crowd.book.cut_off_count() > static_cast<int>(rounds) / 4);
  BOOST_TEST(crowd.book.acknowledged_count() > rounds);
}

}  // namespace
}  // namespace sealpost
