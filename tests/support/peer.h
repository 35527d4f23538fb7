// A client for tests.  It builds every message itself and applies no rule of the client library.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "protocol/credential.h"
#include "protocol/handshake.h"
#include "protocol/record.h"

namespace sealpost::test {

struct Reply {
  int status = 0;
  std::string type;  // Content-Type
  std::string body;
};
// Carries a form to a gateway and an answer back.
using Wire = std::function<Reply(const std::string& form)>;

// A request and its answer, as a peer knows them.
struct RoundTrip {
  std::string form;  // what was sent; a test can send it again
  Reply reply;
  std::string status;  // "accepted", ...; empty if the answer did not open
  Receipt receipt{};
  Time server_time{};
  std::string body;
};

class Peer {
 public:
  Peer(Credential as, Wire over) : credential(std::move(as)), wire(std::move(over)) {}

  Credential credential;
  Wire wire;
  std::function<Time()> now = system_now;
  bool name_in_clear = false;
  bool hmac_in_clear = false;
  InstallNonce install_nonce = crypto::random_id<InstallNonce>();
  Receipt receipt;  // the highest that it got; sent in every message
  std::optional<SessionGrant> session;
  std::optional<SessionKeys> keys;
  std::uint64_t next = 0;

  // One handshake, sent as if at now() + shift.  If it is accepted, the session is this peer's.
  RoundTrip handshake(std::int64_t shift = 0);

  // A new message with the next counter.
  [[nodiscard]] Message message(const std::string& body = "body", const std::string& topic = "t");
  // Seals and sends it.
  RoundTrip send(const Message& message, std::int64_t shift = 0);
  RoundTrip send(const std::string& body = "body", const std::string& topic = "t") {
    return send(message(body, topic));
  }

  // Seals without sending.  `oldest` is the message's own counter unless given.
  [[nodiscard]] Envelope seal(const Message& message, std::int64_t shift = 0,
                              std::optional<std::uint64_t> oldest = {}) const;
  // Seals any plaintext with this session's key, well formed or not.
  [[nodiscard]] Envelope seal_plaintext(std::uint64_t counter, ByteView plaintext) const;
  // Sends a sealed message, and opens the answer if this peer has the key.
  RoundTrip post(const Envelope& envelope);
};

}  // namespace sealpost::test
