// Several gateways on one socket and one database, and connections to all of them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/socket_site.h"

namespace sealpost::test {

constexpr int kProcesses = 4;
constexpr int kConnectionsEach = 4;
constexpr int kConnections = kProcesses * kConnectionsEach;
inline const std::vector<std::string> kArguments = {"--threads", "8"};

// SEALPOST_RACE_SECONDS
[[nodiscard]] std::chrono::seconds race_time();

// At least five rounds, and more until race_time() is over.
class RaceRounds {
 public:
  [[nodiscard]] bool start_next() { return ++count_ <= 5 || Clock::now() < end_; }
  [[nodiscard]] int count() const { return count_; }

 private:
  int count_ = 0;
  Clock::time_point end_ = Clock::now() + race_time();
};

// How often each answer came.
using AnswerCounts = std::map<std::string, int>;
[[nodiscard]] AnswerCounts count_answers(const std::vector<std::string>& answers);
[[nodiscard]] std::string text_of(const AnswerCounts& counts);

// Posts, and returns the status of a sealed answer, or else the HTTP status.
[[nodiscard]] std::string post(const crypto::Key& s2c, const Envelope& envelope,
                               GatewayConnection& connection);
// The same, with the peer's session keys.
[[nodiscard]] std::string post(const Peer& peer, const Envelope& envelope,
                               GatewayConnection& connection);

[[nodiscard]] Message message_of(std::uint64_t counter, const std::string& body);
// The same client with a new installation.
[[nodiscard]] Peer reinstalled(const Peer& peer);

struct RaceFixture {
  SocketSite site{kProcesses, kArguments};
  std::vector<GatewayConnection> connections = site.connections_to_each(kConnectionsEach);
  Database database{site.home.store_paths(), site.home.server_id()};

  // Calls `work` for every number below `count`, all at once, each with its own connection.
  // Adjacent numbers use different processes.  Throws what one of the calls threw.
  void at_once(int count, const std::function<void(int, GatewayConnection&)>& work);

  // A client with a pending session, or with an active one in which it has sent one message.
  [[nodiscard]] Peer client_in_session(const std::string& name, bool active = true) const;

  // How many messages of the peer's installation the database has.
  [[nodiscard]] int stored(const Peer& peer);
  // How many messages were accepted by the statistics, including pruned ones.
  [[nodiscard]] std::int64_t accepted();

  // Stops all gateways.  Fails the test if one does not end in order, or if the database is
  // damaged.
  void finish();
};

}  // namespace sealpost::test
