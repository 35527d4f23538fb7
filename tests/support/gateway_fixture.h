// A home in a throw-away folder with a gateway in this very process, and a clock that only moves
// when told.
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

  // Other settings from here on, by their index in kSettingNames.
  void set(Setting which, const std::string& value);
  // As if the gateway's process had ended and another one begun.
  void restart();
  [[nodiscard]] Gateway& gateway() { return *gateway_; }
  // Who may send what, from here on.
  void routes(const std::string& text) const { write_text(home.routes_file(), text); }

  // A database of the operator's, beside the gateway's own.
  [[nodiscard]] Database database() const { return {home.store_paths(), home.server_id()}; }
  // Issues a client and gives it a wire to this gateway.
  [[nodiscard]] Peer client(const std::string& name = "client1", const std::string& role = "sensor",
                            Claims::Map more = {});
  // The next generation of it, with all else as it was.
  [[nodiscard]] Peer renewed(const Peer& peer);
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
  // Everything in the database as text, to see whether anything was written.
  [[nodiscard]] std::string dump() const;
  // One value out of the database, behind everybody's back.
  std::string sql(const std::string& statement) const;
  // The gateway's log so far.
  [[nodiscard]] std::string log() const { return read_text(folder / "log"); }

 private:
  SettingTexts texts_;
  std::unique_ptr<WorkerPool> pool_;
  std::optional<Gateway> gateway_;
};

}  // namespace sealpost::test
