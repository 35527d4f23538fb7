// Clients that send one message after the other, each in a thread of its own, and the tracker in
// which they note what they were told.
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
// From 0 to `most`.
[[nodiscard]] int random_up_to(Random& random, int most);
[[nodiscard]] bool one_in(Random& random, int times);
// Of an environment variable.
[[nodiscard]] unsigned number_from(const char* variable, unsigned otherwise);

class MessageTracker {
 public:
  void sent(const std::string& body) { add(sent_, body); }
  void acknowledged(const std::string& body) { add(acknowledged_, body); }
  // What no client must ever be told, or find.
  void error(const std::string& sentence) { add(errors_, sentence); }
  void cut_off() { ++cut_off_; }

  [[nodiscard]] std::size_t acknowledged_count() const;
  // Requests that were begun and got no answer.
  [[nodiscard]] int cut_off_count() const { return cut_off_; }
  // All on one line.
  [[nodiscard]] std::string figures() const;

  // Fail the test unless all that is acknowledged is stored, and nothing twice.  More may come
  // meanwhile; at the end, nothing may be there that was never sent, nor any error.
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

// Fails the test unless the database is whole, and no client had to prove that it lost something.
void expect_whole(const Site& site);

class LoadClient {
 public:
  LoadClient(std::string name, MessageTracker& tracker, unsigned seed)
      : name_(std::move(name)), tracker_(tracker), random_(seed) {}
  // Whoever derives from it calls stop() first.
  virtual ~LoadClient() = default;
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  void start();
  // Returns when the message at hand is settled, or timeout is at its end.
  void stop();

 protected:
  // Sees one message through; asks require_time_left() before every try.
  virtual void send(const std::string& body) = 0;

  void require_time_left() const;
  void report_error(const std::string& what) { tracker_.error(name_ + ": " + what); }
  // An answer, or that none came.
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

// Keeps its connection, often makes a new session, and sends the very same bytes again, or seals
// the same message anew, until it is told.
class ResendingClient : public LoadClient {
 public:
  ResendingClient(const SocketSite& site, const std::string& name, MessageTracker& tracker,
                  unsigned seed);
  ~ResendingClient() override { stop(); }

 protected:
  void send(const std::string& body) override;
  [[nodiscard]] Peer& peer() { return peer_; }

 private:
  // Goes on with the session it has where four answers in a row were lost: no more may wait.
  void handshake_until_answered();

  GatewayConnection connection_;
  Peer peer_;
};

}  // namespace sealpost::test
