// A home in a temporary folder, a gateway in this process, and a clock that moves only when a test
// sets it.
#pragma once

#include <string>

#include "gateway/gateway.h"
#include "store/clients.h"
#include "store/home.h"
#include "store/inbox.h"
#include "support/peer.h"
#include "support/temp_dir.h"

namespace sealpost::test {

class GatewayFixture {
 public:
  GatewayFixture();

  TempDir folder;
  Home home;
  Time now = system_now();

  // Changes a setting and restarts the gateway.
  void set(Setting which, const std::string& value);
  // As if the gateway's process had ended and another had started.
  void restart();
  [[nodiscard]] Gateway& gateway() { return *gateway_; }
  // Writes the home's routes file.
  void routes(const std::string& text) const { write_text(home.routes_file(), text); }

  // The operator's own connection to the database.
  [[nodiscard]] Database database() const { return {home.store_paths(), home.server_id()}; }
  // Issues a client that posts to this gateway.
  [[nodiscard]] Peer client(const std::string& name = "client1", const std::string& role = "sensor",
                            Claims::Map more = {});
  // The same client, renewed: its next generation with the same claims under the newest key.
  [[nodiscard]] Peer renewed(const Peer& peer, Milliseconds grace = kGrace);
  [[nodiscard]] Wire wire();
  [[nodiscard]] static Request request(const std::string& body);
  [[nodiscard]] Reply post(const Request& request);
  // A batch of requests, or one.
  [[nodiscard]] std::vector<Handled> handle(std::span<const Request> batch);
  [[nodiscard]] Handled handle(const Request& request);
  // The delivery of a message for a handler; fails the test if there is an answer instead.
  [[nodiscard]] PendingDelivery begin(const Request& request);
  // What the server does when a handler has ended.
  void finish(PendingDelivery& delivery);

  // Rows of the inbox, oldest first.
  [[nodiscard]] std::vector<InboxRow> inbox() const;
  // The whole database as text, so that a test can check that nothing was written.
  [[nodiscard]] std::string dump() const;
  // One value from the database, over a connection of its own.
  std::string sql(const std::string& statement) const;
  // The gateway's log.
  [[nodiscard]] std::string log() const { return read_text(folder / "log"); }

 private:
  SettingTexts texts_;
  std::unique_ptr<WorkerPool> pool_;
  std::optional<Gateway> gateway_;
};

}  // namespace sealpost::test
