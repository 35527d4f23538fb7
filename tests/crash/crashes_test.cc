// Gateways are killed at random moments, many times, while several clients send.  This test keeps
// what each client was told.  An acknowledged message is stored once, another at most once, and the
// database is intact.
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

using test::GatewayConnection;
using test::LoadClient;
using test::one_in;
using test::Random;
using test::random_up_to;
using test::Reply;
using test::ResendingClient;
using test::SocketSite;

// The client library with its state on disk, and with shorter pauses.
class LibraryClient : public LoadClient {
 public:
  LibraryClient(SocketSite& site, const std::string& name, test::MessageTracker& tracker,
                unsigned seed)
      : LoadClient(name, tracker, seed),
        outbox_(site.folder / name),
        connection_(site.socket(), false) {
    const std::string text = test::read_text(site.credential(name, site.url()));
    BOOST_REQUIRE(outbox_.lock(Milliseconds{0}));
    outbox_.install(bytes_of(text), ClientState::fresh(Credential::parse(text)));
    sender_.emplace(outbox_,
                    Sender::Environment{[this](const std::string& form) { return post(form); },
                                        system_now, [](Milliseconds) { usleep(2'000); },
                                        [this](const std::string& what) { report_error(what); }});
    BOOST_TEST((sender_->connect().kind == Outcome::Kind::kAccepted));
  }
  ~LibraryClient() override { stop(); }

 private:
  void send(const std::string& body) override {
    Outcome outcome = sender_->deliver(outbox_.store("t", body));
    while (outcome.kind == Outcome::Kind::kOpen) {
      require_time_left();
      outcome = sender_->deliver_all();
    }
    if (outcome.kind == Outcome::Kind::kAccepted) return tracker().acknowledged(body);
    report_error("was told " + std::string(name_of(outcome.status)));
  }

  HttpAnswer post(const std::string& form) {
    const Reply reply = recorded(connection_.post(form));
    return {reply.status, reply.body, "cut off"};
  }

  Outbox outbox_;
  GatewayConnection connection_;
  std::optional<Sender> sender_;
};

// Sends most of its messages once or twice, and disconnects before the answer.
class AbandoningClient : public ResendingClient {
 public:
  AbandoningClient(const SocketSite& site, const std::string& name, test::MessageTracker& tracker,
                   unsigned seed)
      : ResendingClient(site, name, tracker, seed), path_(site.socket()) {}
  ~AbandoningClient() override { stop(); }

 private:
  void send(const std::string& body) override {
    if (one_in(random(), 4)) return ResendingClient::send(body);
    const std::string form = peer().seal(peer().message(body)).form();
    for (int times = 1 + random_up_to(random(), 1); times > 0; --times) {
      GatewayConnection connection(path_, false);
      connection.open().request(form, false);
    }
  }

  std::string path_;
};

struct LoadedGateways {
  SocketSite site{2};
  test::MessageTracker tracker;
  std::vector<std::unique_ptr<LoadClient>> clients;

  explicit LoadedGateways(Random& random) {
    add<LibraryClient>(3, "library", random);
    add<ResendingClient>(3, "resending", random);
    add<AbandoningClient>(2, "abandoning", random);
  }

  template <class Kind>
  void add(int count, const std::string& name, Random& random) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<Kind>(site, name + std::to_string(i), tracker, random()));
    }
  }

  // Kills the older of two gateways, or both.  Half of the time within 6 ms of a gateway's start,
  // when it opens the database that the killed gateway has left.
  void kill(Random& random) {
    const int within = one_in(random, 2) ? 6'000 : 60'000;
    std::this_thread::sleep_for(std::chrono::microseconds(random_up_to(random, within)));
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

BOOST_AUTO_TEST_CASE(stores_acknowledged_messages_exactly_once_when_killed_at_any_moment) {
  const unsigned rounds = test::number_from("SEALPOST_CRASH_ROUNDS", 50);
  const unsigned seed = test::number_from("SEALPOST_CRASH_SEED", std::random_device{}());
  std::cout << "crashes: " << rounds << " rounds, seed " << seed << std::endl;
  Random random(seed);
  LoadedGateways load(random);
  for (const auto& one : load.clients) one->start();
  for (unsigned round = 1; round <= rounds; ++round) {
    load.kill(random);
    if (round % 10 == 0) {
      test::eventually("the clients continue",
                       [&] { return load.tracker.acknowledged_count() > round; });
    }
    if (round % 100 == 0) load.tracker.expect_stored(load.site);
  }
  for (const auto& one : load.clients) one->stop();
  load.site.stop();

  std::cout << "crashes: " << load.tracker.figures() << std::endl;
  load.tracker.expect_no_errors(load.site);
  test::expect_whole(load.site);
  // Requests were really cut off and acknowledged.
  BOOST_TEST(load.tracker.cut_off_count() > static_cast<int>(rounds) / 4);
  BOOST_TEST(load.tracker.acknowledged_count() > rounds);
}

}  // namespace
}  // namespace sealpost
