// Backup, restore, and a change of the master key while clients send.
#define BOOST_TEST_MODULE recovery
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "client/sender.h"
#include "support/print.h"
#include "support/says.h"
#include "support/traffic.h"

namespace sealpost {
namespace {

using test::AcceptedMessage;
using test::Clock;
using test::NginxSite;
using test::Peer;
using test::RunResult;
using test::says;
using test::Traffic;
using test::TrafficClient;
using Kind = Outcome::Kind;

void done(const RunResult& ran) { BOOST_REQUIRE_MESSAGE(ran.status == 0, ran.err); }
void rejected(const RunResult& ran, const std::string& word) {
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(says(ran.err, word), ran.err);
}

// --- Backup and restore ---

// A client whose message the gateway accepts, and whose answer is lost until flush().
struct ClientWithLostAnswer {
  NginxSite& site;
  std::string body;
  std::string state = site.folder / body;
  Client client{{.state = state}};

  ClientWithLostAnswer(NginxSite& at, const std::string& name) : site(at), body(name) {
    BOOST_REQUIRE((client.install(site.credential(name, site.url())).kind == Kind::kAccepted));
  }

  void send() const {
    Outbox outbox(state);
    BOOST_REQUIRE(outbox.lock(Milliseconds{0}));
    const Post real = http_post(site.url(), {.left = [] { return 30 * kSecond; }});
    const auto lost = [&](const std::string& form) -> HttpAnswer {
      (void)real(form);
      return {0, "", "lost"};
    };
    Sender sender(outbox, {lost, system_now, [](Milliseconds) {}, [](const std::string&) {}});
    BOOST_TEST(name_of(sender.deliver(outbox.store("t", body)).status) == "network");
    BOOST_TEST(test::times_in_inbox(site)[body] == 1);
  }
};

// How often a message is stored after the restore: once, or never if it came after the backup.  A
// message that was answered during the backup may or may not be in it.
enum class ExpectedCopies { kOnce, kNever, kEither };

struct Backup {
  Clock::time_point begun;
  Clock::time_point ended;

  // Of an accepted message.  `restored` is the epoch that the restore started.
  [[nodiscard]] ExpectedCopies expected_copies(const AcceptedMessage& message,
                                               const Epoch& restored) const {
    if (message.epoch == restored || message.accepted_at < begun) return ExpectedCopies::kOnce;
    return message.sent > ended ? ExpectedCopies::kNever : ExpectedCopies::kEither;
  }
};

BOOST_AUTO_TEST_CASE(restore_under_load_loses_only_messages_after_backup) {
  NginxSite site({.processes = 2});
  ClientWithLostAnswer saved(site, "saved");
  ClientWithLostAnswer unsaved(site, "unsaved");
  Traffic traffic(site, 5);
  traffic.start();
  traffic.wait_for(5);
  saved.send();

  Backup backup;
  backup.begun = Clock::now();
  done(site.operate({"backup", site.folder / "backup.db"}));
  backup.ended = Clock::now();

  unsaved.send();
  traffic.wait_for(10);
  const Epoch former = traffic.accepted().back().epoch;
  done(site.operate({"restore", "--yes", site.folder / "backup.db"}));
  traffic.wait_for(10);
  traffic.stop();
  std::map<std::string, int> times = test::times_in_inbox(site);
  BOOST_TEST(times[saved.body] == 1);
  BOOST_TEST(times[unsaved.body] == 0);
  for (ClientWithLostAnswer* one : {&saved, &unsaved}) {
    BOOST_TEST((one->client.flush().kind == Kind::kAccepted));
  }

  BOOST_TEST(traffic.errors() == "", "every client went on by itself");
  const Epoch restored = traffic.accepted().back().epoch;
  BOOST_TEST(restored != former);
  BOOST_TEST(!says(site.log(), "rollback"), "no client had to prove it");
  times = test::times_in_inbox(site);
  BOOST_TEST(times[saved.body] == 1, "told now, and not a second time there");
  BOOST_TEST(times[unsaved.body] == 1);
  std::map<ExpectedCopies, int> counts;
  for (const AcceptedMessage& message : traffic.accepted()) {
    const ExpectedCopies copies = backup.expected_copies(message, restored);
    const int found = times[message.body];
    ++counts[copies];
    if (copies == ExpectedCopies::kOnce && found != 1) {
      BOOST_ERROR(message.body + " is in the inbox " + std::to_string(found) + " times");
    }
    if (copies == ExpectedCopies::kNever && found != 0)
      BOOST_ERROR(message.body + " was never sent");
  }
  for (const auto& [body, count] : times) {
    if (count > 1) BOOST_ERROR(body + " is in the inbox " + std::to_string(count) + " times");
  }
  BOOST_TEST(counts[ExpectedCopies::kOnce] >= 5 * (5 + 9));
  BOOST_TEST(counts[ExpectedCopies::kNever] >= 5 * 9);
  BOOST_TEST(says(site.operate({"doctor"}).out, "ok      The database is intact."));
}

// --- Another master key ---

std::string renew(const NginxSite& site, const std::string& name, const std::string& grace = "7d") {
  std::string file = site.folder / (name + ".renewed");
  done(site.operate({"client", "renew", name, "--grace", grace, "--out", file}));
  return file;
}

// From `key list`.
int sessions_under(const NginxSite& site, int kid) {
  std::istringstream lines(site.operate({"key", "list", "--json"}).out);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["kid"] == kid) return json["sessions"];
  }
  return -1;
}

BOOST_AUTO_TEST_CASE(rotates_master_key_under_load) {
  NginxSite site({.processes = 2});
  Traffic traffic(site, 4);
  traffic.start();
  traffic.wait_for(3);
  done(site.operate({"key", "rotate"}));
  traffic.wait_for(3);  // with what they have
  rejected(site.operate({"key", "retire", "1"}),
           "a credential under key 1: client0, client1, client2, client3.");
  traffic.wait_for(3);

  for (std::size_t i = 0; i < traffic.size(); ++i) {
    TrafficClient& traffic_client = traffic[i];
    traffic_client.run_between_messages([&](Client& client) {
      site.home.set_url(site.url());
      const Outcome installed = client.install(renew(site, traffic_client.name()));
      BOOST_TEST((installed.kind == Kind::kAccepted), installed.reason);
    });
    const bool last = i + 1 == traffic.size();
    const RunResult retired = site.operate({"key", "retire", "1"});
    last ? done(retired) : rejected(retired, "a credential under key 1");
  }
  traffic.wait_for(3);
  traffic.stop();
  test::expect_each_exactly_once(traffic, site);
  BOOST_TEST(sessions_under(site, 1) == -1, "the key is deleted");
  BOOST_TEST(sessions_under(site, 2) == 4);
}

BOOST_AUTO_TEST_CASE(client_learns_of_renewal_and_no_message_is_stored_twice) {
  NginxSite site({.processes = 2});
  Traffic traffic(site, 4);
  traffic.start();
  traffic.wait_for(3);
  done(site.operate({"key", "rotate"}));
  for (std::size_t i = 0; i < traffic.size(); ++i) renew(site, traffic[i].name(), "0");
  test::eventually("each is told", [&] {
    for (std::size_t i = 0; i < traffic.size(); ++i) {
      if (traffic[i].errors().empty()) return false;
    }
    return true;
  });
  for (std::size_t i = 0; i < traffic.size(); ++i) {
    TrafficClient& traffic_client = traffic[i];
    traffic_client.run_between_messages([&](Client& client) {
      BOOST_TEST((client.install(site.folder / (traffic_client.name() + ".renewed")).kind ==
                  Kind::kAccepted));
    });
  }
  done(site.operate({"key", "retire", "1"}));
  traffic.wait_for(3);
  traffic.stop();
  std::map<std::string, int> times = test::times_in_inbox(site);
  for (const AcceptedMessage& message : traffic.accepted()) {
    if (times[message.body] != 1) BOOST_ERROR(message.body + " is not there once");
  }
  // A message in flight at the renewal is dropped; a message that was never sent is sent after it.
  for (std::size_t i = 0; i < traffic.size(); ++i) {
    int missing = 0;
    for (int number = 1; number <= traffic[i].sent_count(); ++number) {
      const int count = times[traffic[i].name() + "-" + std::to_string(number)];
      BOOST_TEST(count <= 1);
      missing += count == 0 ? 1 : 0;
    }
    BOOST_TEST(missing <= 1);
  }
}

BOOST_AUTO_TEST_CASE(retires_key_of_live_session_only_with_force) {
  NginxSite site;
  Peer quiet = site.client("quiet");
  Peer revoked_client = site.client("revoked_client");
  quiet.handshake();
  BOOST_TEST(quiet.send("1").status == "accepted");
  revoked_client.handshake();
  BOOST_TEST(revoked_client.send("1").status == "accepted");
  done(site.operate({"key", "rotate"}));
  Peer renewed(Credential::parse(test::read_text(renew(site, "quiet"))), site.wire());
  done(site.operate({"client", "revoke", "revoked_client"}));

  BOOST_TEST(sessions_under(site, 1) == 1, "a revoked client has none");
  rejected(site.operate({"key", "retire", "1"}), "a credential under key 1: quiet.");
  BOOST_TEST(quiet.send("2").status == "accepted", "its former credential is valid");

  BOOST_TEST(renewed.handshake().status == "accepted");
  rejected(site.operate({"key", "retire", "1"}), "quiet");
  BOOST_TEST(renewed.send("3").status == "accepted", "this ends the other one");
  done(site.operate({"key", "retire", "1"}));
  BOOST_TEST(renewed.send("4").status == "accepted");

  done(site.operate({"key", "rotate"}));
  done(site.operate({"client", "renew", "quiet", "--grace", "0"}));
  rejected(site.operate({"key", "retire", "2"}), "a session under key 2: quiet.");
  done(site.operate({"key", "retire", "2", "--force"}));
  BOOST_TEST(renewed.send("5").reply.status == 403);
  BOOST_TEST(site.bodies() == "1\n1\n2\n3\n4\n");
}

}  // namespace
}  // namespace sealpost
