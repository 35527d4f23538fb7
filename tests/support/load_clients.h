// Clients that send one message after another, each in its own thread, and a tracker of what was
// sent and acknowledged.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "support/socket_site.h"

namespace sealpost::test {

using Random = std::mt19937;
// A random number from 0 to `most`.
[[nodiscard]] int random_up_to(Random& random, int most);
[[nodiscard]] bool one_in(Random& random, int times);
// The number in an environment variable, or `otherwise` if it is not set.
[[nodiscard]] unsigned number_from(const char* variable, unsigned otherwise);

class MessageTracker {
 public:
  void sent(const std::string& body) { add(sent_, body); }
  void acknowledged(const std::string& body) { add(acknowledged_, body); }
  // An error that no client may meet.
  void error(const std::string& sentence) { add(errors_, sentence); }
  void cut_off() { ++cut_off_; }

  [[nodiscard]] std::size_t acknowledged_count() const;
  // Requests that got no answer.
  [[nodiscard]] int cut_off_count() const { return cut_off_; }
  // All counts in one line.
  [[nodiscard]] std::string figures() const;

  // Fail the test unless every acknowledged message is stored, and none twice.  The second also
  // fails on a stored message that was never sent and on any error; call it when the clients have
  // stopped.
  void expect_stored(const Site& site) const;
  void expect_no_errors(const Site& site) const;

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
  std::set<std::string> errors_;
  std::atomic<int> cut_off_ = 0;
};

// Fails the test if the database is damaged, or if a client had to prove that it was rolled back.
void expect_whole(const Site& site);

class LoadClient {
 public:
  LoadClient(std::string name, MessageTracker& tracker, unsigned seed)
      : name_(std::move(name)), tracker_(tracker), random_(seed) {}
  // A derived class must call stop() in its destructor.
  virtual ~LoadClient() = default;
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  void start();
  // Returns when the current message is settled, or after the timeout.
  void stop();

 protected:
  // Sends one message until it is settled.  Calls require_time_left() before every try.
  virtual void send(const std::string& body) = 0;

  void require_time_left() const;
  void report_error(const std::string& what) { tracker_.error(name_ + ": " + what); }
  // Counts a missing answer.
  Reply recorded(Reply reply);
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] MessageTracker& tracker() { return tracker_; }

 private:
  void run();

  std::string name_;
  MessageTracker& tracker_;
  Random random_;
  Clock::time_point begun_ = Clock::now();
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// Keeps its connection and often starts a new session.  Sends a message again, with the same bytes
// or sealed again, until it is acknowledged.
class ResendingClient : public LoadClient {
 public:
  ResendingClient(const SocketSite& site, const std::string& name, MessageTracker& tracker,
                  unsigned seed);
  ~ResendingClient() override { stop(); }

 protected:
  void send(const std::string& body) override;
  [[nodiscard]] Peer& peer() { return peer_; }

 private:
  // If four answers in a row were lost, no more sessions may be pending: then it keeps its session.
  void handshake_until_answered();

  GatewayConnection connection_;
  Peer peer_;
};

}  // namespace sealpost::test
