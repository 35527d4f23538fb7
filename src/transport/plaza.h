// What the loops of a process share: one epoll set with the listening socket, the connections that
// wait for their next request, and the word to stop.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "transport/fastcgi_connection.h"

namespace sealpost {

class Plaza {
 public:
  // Makes the listening socket non-blocking.  Throws Fault.
  explicit Plaza(int listener);
  ~Plaza();
  Plaza(const Plaza&) = delete;
  Plaza& operator=(const Plaza&) = delete;

  struct Ready {
    bool listener = false;
    bool stop = false;
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

  // Tells every loop to finish.  Any thread.
  void stop() const;

 private:
  void watch(int operation, int file, std::uint32_t events, void* what) const;

  int listener_;
  int epoll_;
  int stop_;
  std::mutex mutex_;  // of connections_, and of handing them from loop to loop
  std::unordered_map<FastcgiConnection*, std::unique_ptr<FastcgiConnection>> connections_;
};

}  // namespace sealpost
