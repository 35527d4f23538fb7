// A gateway and one client in an active session.
#pragma once

#include <boost/test/unit_test.hpp>

#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost::test {

// A gateway and one client in an active session.  The client has sent a ping with counter 0.
struct ClientInSession {
  GatewayFixture fixture;
  Peer peer = fixture.client();

  ClientInSession() {
    peer.handshake();
    BOOST_REQUIRE(peer.send("", "sealpost/ping").status == "accepted");
  }
  // A second handle on the same client: same credential, same installation, another session.
  [[nodiscard]] Peer same_client_in_new_session() const {
    Peer other(Credential::parse(peer.credential.json()), peer.wire);
    other.now = peer.now;
    other.install_nonce = peer.install_nonce;
    other.receipt = peer.receipt;
    other.next = peer.next;
    other.handshake();
    return other;
  }
};

inline bool is_rejected(const test::Reply& reply) {
  return reply.status == 403 && reply.body == "refused\n" && reply.type == "text/plain";
}

}  // namespace sealpost::test
