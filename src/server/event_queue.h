// What the loops of a process share: one epoll set with the listening socket, the connections that
// wait for their next request, what handlers have finished, and the word to stop.
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
    std::vector<FastcgiConnection*> connections;  // the caller's alone until it gives them back
  };
  // Waits until something is ready, for at most `timeout` ms; -1 for ever, 0 not at all.
  [[nodiscard]] Ready wait(int timeout);

  // Accepts what waits.  A connection is given out when it has something to say, not before.
  void accept_waiting();

  // To be waited for again.
  void give_back(FastcgiConnection& connection);
  // Closes it.
  void forget(FastcgiConnection& connection);

  // A message that a handler has, with the settings of its gateway and the connection that waits
  // for its answer: null if none does.
  struct DeliveryJob {
    SettingTexts texts;
    std::shared_ptr<PendingDelivery> delivery;
    FastcgiConnection* connection;
  };
  // Runs it in a thread of the pool; whichever loop is free takes it back then.
  void send(DeliveryJob job, WorkerPool& pool);
  [[nodiscard]] std::vector<DeliveryJob> take_finished();
  // Waits until there is something to take; false if nothing is on its way any more.
  [[nodiscard]] bool wait_finished();

  // Tells every loop to finish.  Any thread.
  void stop() const;

 private:
  void watch(int operation, int file, std::uint32_t events, void* what) const;

  int listener_;
  int epoll_;
  int stop_;
  int done_;          // an eventfd: finished_ has something
  std::mutex mutex_;  // of all below, and of handing connections from loop to loop
  std::condition_variable changed_;
  std::vector<DeliveryJob> finished_;
  std::size_t away_ = 0;  // jobs that are not in finished_ yet
  std::unordered_map<FastcgiConnection*, std::unique_ptr<FastcgiConnection>> connections_;
};

}  // namespace sealpost
