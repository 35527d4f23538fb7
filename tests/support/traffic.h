// Clients that send all the time.  Each is the real client library in its own thread, with its own
// state on disk, and keeps a list of what was accepted.
#pragma once

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "protocol/ids.h"
#include "sealpost/client.h"
#include "support/site.h"

namespace sealpost::test {

// A message whose client got the answer accepted.
struct AcceptedMessage {
  std::string body;
  Clock::time_point sent;
  Clock::time_point accepted_at;
  Epoch epoch;  // of the session that had the answer
};

class TrafficClient {
 public:
  // Issues the client and installs it.
  TrafficClient(Site& site, std::string name);
  ~TrafficClient();
  TrafficClient(const TrafficClient&) = delete;
  TrafficClient& operator=(const TrafficClient&) = delete;

  // Sends one message after another.  An open message is sent again before the next one.
  void start();
  void stop();
  // Runs `work` in the client's thread, between two messages.  The client must be started.
  void run_between_messages(std::function<void(Client&)> work);

  [[nodiscard]] const std::string& name() const { return name_; }
  // Its messages are name-1 to name-N.
  [[nodiscard]] int sent_count() const { return count_; }
  [[nodiscard]] std::size_t accepted_count() const;
  [[nodiscard]] std::vector<AcceptedMessage> accepted() const;
  // Outcomes other than accepted, and what the library reported.
  [[nodiscard]] std::vector<std::string> errors() const;

 private:
  void run();
  void send(const std::string& body);
  void run_work();
  void report_error(const std::string& sentence);

  std::string name_;
  std::string state_;
  Client client_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> count_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;  // of all below
  std::packaged_task<void()> work_;
  std::vector<AcceptedMessage> accepted_;
  std::vector<std::string> errors_;
};

class Traffic {
 public:
  // client0, client1, ...
  Traffic(Site& site, int clients);

  void start();
  // No message is open when it returns.
  void stop();
  // Waits until so many more messages of each client are accepted.
  void wait_for(std::size_t more) const;

  [[nodiscard]] TrafficClient& operator[](std::size_t at) { return *clients_.at(at); }
  [[nodiscard]] std::size_t size() const { return clients_.size(); }
  [[nodiscard]] std::vector<AcceptedMessage> accepted() const;
  // The errors of all clients, one a line.
  [[nodiscard]] std::string errors() const;

 private:
  std::vector<std::unique_ptr<TrafficClient>> clients_;
};

// How often each body is in the inbox.
[[nodiscard]] std::map<std::string, int> times_in_inbox(const Site& site);
// Fails the test unless the inbox has exactly the accepted messages and the `others`, each once,
// and no client reports an error.
void expect_each_exactly_once(const Traffic& traffic, const Site& site,
                              std::set<std::string> others = {});

}  // namespace sealpost::test
