// Real gateways on a unix socket that the test holds, as systemd would, without a web server.  The
// socket stays open when all gateways are killed, and connections wait for the next gateway.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost::test {

// Connects to a gateway's socket.  Used by one thread.
class GatewayConnection {
 public:
  // `keep`: uses one connection as long as it lasts.
  GatewayConnection(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}

  // Returns status 0 if the answer did not end.
  [[nodiscard]] Reply post(const std::string& form);
  // Connects if there is no connection.
  FastcgiPeer& open();

 private:
  std::string path_;
  bool keep_;
  std::unique_ptr<FastcgiPeer> peer_;
};

class SocketSite : public Site {
 public:
  // Starts so many gateways.
  explicit SocketSite(int processes, std::vector<std::string> arguments = {});
  ~SocketSite() override;

  std::list<Process> gateways;  // the oldest first
  // Starts another gateway.
  [[nodiscard]] Process start() const;
  // Stops all gateways.  Fails the test if one does not exit with 0 or writes anything, for example
  // a sanitizer's report.
  void stop();
  // Kills all gateways with SIGKILL.
  void kill();

  [[nodiscard]] std::string socket() const { return folder / "socket"; }
  // Uses a new connection for each request.
  [[nodiscard]] Wire wire() const override;
  // So many kept connections to each gateway: those to the first gateway, then those to the second,
  // and so on.
  [[nodiscard]] std::vector<GatewayConnection> connections_to_each(int count) const;

 private:
  std::vector<std::string> command_;
  int listener_;
};

}  // namespace sealpost::test
