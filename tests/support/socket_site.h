// Real gateways on a unix socket that the test holds, as systemd would, and no web server before
// them.  The socket stays when all of them are killed: who has connected waits for the next one.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost::test {

// A client's way to a socket.  Used by one thread.
class GatewayConnection {
 public:
  // `keep`: over one connection, as long as it lasts.
  GatewayConnection(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}

  // Status 0 where the answer did not come to its end.
  [[nodiscard]] Reply post(const std::string& form);
  // Connects where there is no connection.
  FastcgiPeer& open();

 private:
  std::string path_;
  bool keep_;
  std::unique_ptr<FastcgiPeer> peer_;
};

class SocketSite : public Site {
 public:
  // Starts so many.
  explicit SocketSite(int processes, std::vector<std::string> arguments = {});
  ~SocketSite() override;

  std::list<Process> gateways;  // the oldest first
  // One more.
  [[nodiscard]] Process start() const;
  // Fails the test unless each ends in order: under a sanitizer, without a report.
  void stop();
  // All of them, without a word.
  void kill();

  [[nodiscard]] std::string socket() const { return folder / "socket"; }
  // A connection for each request.
  [[nodiscard]] Wire wire() const override;
  // Kept connections, so many to each gateway: those to the first one, then those to the second.
  [[nodiscard]] std::vector<GatewayConnection> connections_to_each(int count) const;

 private:
  std::vector<std::string> command_;
  int listener_;
};

}  // namespace sealpost::test
