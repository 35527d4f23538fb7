// Many gateways on one socket and one database, and a way to meet all of them at once.
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

// At least five, and then until that time is up.
class RaceRounds {
 public:
  [[nodiscard]] bool start_next() { return ++count_ <= 5 || Clock::now() < end_; }
  [[nodiscard]] int count() const { return count_; }

 private:
  int count_ = 0;
  Clock::time_point end_ = Clock::now() + race_time();
};

// How often each word was said.
using AnswerCounts = std::map<std::string, int>;
[[nodiscard]] AnswerCounts count_answers(const std::vector<std::string>& answers);
[[nodiscard]] std::string text_of(const AnswerCounts& counts);

// The word of a sealed answer, or the HTTP status.
[[nodiscard]] std::string post(const crypto::Key& s2c, const Envelope& envelope,
                               GatewayConnection& connection);
// To a peer that holds the keys of the session for which it was sealed.
[[nodiscard]] std::string post(const Peer& peer, const Envelope& envelope,
                               GatewayConnection& connection);

[[nodiscard]] Message message_of(std::uint64_t counter, const std::string& body);
// The same client, installed anew.
[[nodiscard]] Peer reinstalled(const Peer& peer);

struct RaceFixture {
  SocketSite site{kProcesses, kArguments};
  std::vector<GatewayConnection> connections = site.connections_to_each(kConnectionsEach);
  Database database{site.home.store_paths(), site.home.server_id()};

  // Does it for every number below `count`, all at once, each over a connection of its own.
  // Neighbours meet different processes.  Throws what one of them threw.
  void at_once(int count, const std::function<void(int, GatewayConnection&)>& work);

  // A client in a session, which is pending, or has said one thing.
  [[nodiscard]] Peer client_in_session(const std::string& name, bool active = true) const;

  // Messages of an installation that are in the database.
  [[nodiscard]] int stored(const Peer& peer);
  // What the statistics say was accepted, pruned or not.
  [[nodiscard]] std::int64_t accepted();

  // Fails the test unless all end in order and the database is whole.
  void finish();
};

}  // namespace sealpost::test
