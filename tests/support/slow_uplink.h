// Networks that are hard on a client: one that never answers, and one that carries little.
#pragma once

#include <string>
#include <thread>

namespace sealpost::test {

// A socket on 127.0.0.1 that listens.  The kernel accepts connections, but nobody answers.
class MuteServer {
 public:
  MuteServer();
  ~MuteServer();
  MuteServer(const MuteServer&) = delete;
  MuteServer& operator=(const MuteServer&) = delete;
  [[nodiscard]] std::string url() const;
  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_;
};

// Carries connections, one after another, to the server on 127.0.0.1 with that port.  It carries
// `rate` bytes a second to the server, and everything at once back.
class SlowUplink {
 public:
  SlowUplink(int port, std::size_t rate);
  ~SlowUplink();
  SlowUplink(const SlowUplink&) = delete;
  SlowUplink& operator=(const SlowUplink&) = delete;
  [[nodiscard]] std::string url() const { return entry_.url(); }

 private:
  void serve();
  void carry(int client) const;

  MuteServer entry_;
  int port_;
  std::size_t rate_;
  std::thread thread_;
};

}  // namespace sealpost::test
