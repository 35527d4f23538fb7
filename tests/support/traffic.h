// Clients that talk all the time: each is the real client library in a thread of its own, with its
// own state on disk, and keeps a ledger of what it was told.
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

// A message that its client was told is accepted.
struct AcceptedMessage {
  std::string body;
  Clock::time_point sent;
  Clock::time_point accepted_at;
  Epoch epoch;  // of the session in which it was told so
};

class TrafficClient {
 public:
  // Issues the client and installs it.
  TrafficClient(Site& site, std::string name);
  ~TrafficClient();
  TrafficClient(const TrafficClient&) = delete;
  TrafficClient& operator=(const TrafficClient&) = delete;

  // Sends message after message, and one that is left open again and again before the next.
  void start();
  void stop();
  // Done in the client's thread, between two messages; while it talks.
  void run_between_messages(std::function<void(Client&)> work);

  [[nodiscard]] const std::string& name() const { return name_; }
  // Its messages are name-1 to name-N.
  [[nodiscard]] int sent_count() const { return count_; }
  [[nodiscard]] std::size_t accepted_count() const;
  [[nodiscard]] std::vector<AcceptedMessage> accepted() const;
  // What it was told that is no acceptance, and what the library reported.
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
  // Nothing is open when it returns.
  void stop();
  // Until each client has been told of so many messages more.
  void wait_for(std::size_t more) const;

  [[nodiscard]] TrafficClient& operator[](std::size_t at) { return *clients_.at(at); }
  [[nodiscard]] std::size_t size() const { return clients_.size(); }
  [[nodiscard]] std::vector<AcceptedMessage> accepted() const;
  // Of all, one a line.
  [[nodiscard]] std::string errors() const;

 private:
  std::vector<std::unique_ptr<TrafficClient>> clients_;
};

// How often each body is in the inbox.
[[nodiscard]] std::map<std::string, int> times_in_inbox(const Site& site);
// Fails the test unless what the clients were told is accepted, and the `others`, is in the inbox,
// once, and nothing else is, and no client had anything to complain of.
void expect_each_exactly_once(const Traffic& traffic, const Site& site,
                              std::set<std::string> others = {});

}  // namespace sealpost::test
