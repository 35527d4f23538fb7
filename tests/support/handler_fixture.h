// A gateway that delivers topics below run/ to a script.
#pragma once

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "admin/redeliver.h"
#include "protocol/idempotency_key.h"
#include "support/gateway_fixture.h"

namespace sealpost::test {

// A gateway that delivers topics below run/ to a script.
struct HandlerFixture {
  GatewayFixture fixture;
  std::string script = fixture.folder / "handler";
  Peer peer;

  explicit HandlerFixture(const std::string& text = "printf 'reply to '; cat",
                          Claims::Map more = {})
      : peer(fixture.client("client1", "shop", std::move(more))) {
    write(text);
    fixture.routes("run/* - exec " + script + "\nbox role=shop|sensor inbox\nno - reject\n");
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  void write(const std::string& text) const {
    test::write_text(script, "#!/bin/sh\n" + text);
    chmod(script.c_str(), 0700);
  }
  // How often the script ran, if it counts its runs.
  [[nodiscard]] std::size_t runs() const { return test::read_text(fixture.folder / "runs").size(); }
  // Starts a message's delivery and leaves it as a crash after the commit would.
  Message begin(const std::string& body, const std::string& topic = "run/x") {
    Message message = peer.message(body, topic);
    const Request request = GatewayFixture::request(peer.seal(message).form());
    (void)fixture.begin(request);
    return message;
  }
  // By which the handler knows a message of the peer.
  [[nodiscard]] std::string key_of(const Message& message) const {
    const Credential& sender = peer.credential;
    return idempotency_key(fixture.home.server_id(),
                           {sender.name, sender.generation, peer.install_nonce}, message.counter,
                           message.digest());
  }
  [[nodiscard]] std::string state(std::size_t row = 0) const {
    const auto rows = fixture.inbox();
    return rows.at(row).state + " " + std::to_string(rows.at(row).attempt);
  }
  // What `sealpost inbox deliver` does.
  [[nodiscard]] std::vector<std::string> deliver() const {
    std::vector<std::string> outcomes;
    SettingTexts texts{fixture.home.root(), fixture.folder / "log"};
    redeliver(texts, [&](const Redelivery& one) {
      BOOST_TEST(one.delivered == (one.outcome == "accepted"));
      outcomes.push_back(std::to_string(one.number) + " " + one.outcome);
    });
    return outcomes;
  }
};

inline const std::string kCount = "printf x >>runs; ";

}  // namespace sealpost::test
