// What the loops of a process share: one epoll set with the listening socket, the connections that
// wait for their next request, the finished deliveries, and the stop signal.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "gateway/registry.h"
#include "server/fastcgi_connection.h"

namespace sealpost {

class EventQueue {
 public:
  // Makes the listening socket non-blocking.  Throws Fault.
  explicit EventQueue(int listener);
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  struct Ready {
    bool listener = false;
    bool stop = false;
    bool finished = false;                        // take_finished() has something
    std::vector<FastcgiConnection*> connections;  // the caller owns each until wait_for_request()
  };
  // Waits until something is ready, for at most `timeout` ms; -1 means for ever, 0 not at all.
  [[nodiscard]] Ready wait(int timeout);

  // Accepts the connections that wait.  wait() returns each when it has bytes to read.
  void accept_waiting();

  // wait() returns the connection again when its next request arrives.
  void wait_for_request(FastcgiConnection& connection);
  // Closes and deletes the connection.
  void close_connection(FastcgiConnection& connection);

  // A message that a handler works on, for the gateway of these settings.
  struct Delivery {
    const SettingTexts* settings;
    PendingDelivery pending;
    FastcgiConnection* connection;  // waits for the answer; null if none does
  };
  // Runs its handler in a thread of the pool.  Any loop may take it from take_finished() then.
  void start(Delivery delivery, WorkerPool& pool);
  [[nodiscard]] std::vector<Delivery> take_finished();
  // Waits until take_finished() has something.  False if no delivery is running.
  [[nodiscard]] bool wait_finished();

  // Tells every loop to finish.  Any thread may call it.
  void stop() const;

 private:
  void watch(int operation, int file, std::uint32_t events, void* what) const;

  int listener_;
  int epoll_;
  int stop_;
  int done_;          // an eventfd: finished_ has something
  std::mutex mutex_;  // of everything below, and of passing connections from loop to loop
  std::condition_variable changed_;
  std::vector<Delivery> finished_;
  std::size_t running_ = 0;  // deliveries that are not in finished_ yet
  std::unordered_map<FastcgiConnection*, std::unique_ptr<FastcgiConnection>> connections_;
};

}  // namespace sealpost
