// What a client must keep besides its open messages (PROTOCOL 8).
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "protocol/credential.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/receipt.h"

namespace sealpost {

struct ClientSession {
  SessionId id;
  SessionKeys keys;
  Time expires_at;  // by the server's clock
  std::uint32_t max_body;
  bool worked = false;  // the server has answered a message in it
};

// Why a state file cannot be used.
enum class StateError { kDamaged, kOtherVersion };
// "damaged" or "of another version".
[[nodiscard]] std::string_view text_of(StateError error);

struct ClientState {
  // The credential that the state belongs to.
  ServerId server_id{};
  std::string name;
  Kid kid = 0;
  Generation generation = 0;

  // The installation.
  InstallNonce install_nonce{};
  std::uint64_t next = 0;           // the lowest counter that was never used
  bool must_reinstall = false;      // reinstall() once no message with a counter is open
  Epoch epoch{};                    // of `receipt`
  Receipt receipt;                  // the highest of this epoch
  ClockOffset offset{};             // from our clock to the server's
  std::array<Time, 2> takeovers{};  // when another installation last ended this client's sessions

  std::optional<ClientSession> session;

  // Makes an empty state for a credential, with a new install_nonce.
  [[nodiscard]] static ClientState fresh(const Credential& credential);
  [[nodiscard]] bool belongs_to(const Credential& credential) const;
  // Starts a new installation of the same client: counter 0, no receipt, no session.
  void reinstall();

  // The file's bytes: a magic line, the fields in the order above, the SHA-256 of both.
  [[nodiscard]] crypto::SecretBytes encode() const;
  // Rejects all bytes that encode() would not return.
  [[nodiscard]] static Result<ClientState, StateError> decode(ByteView bytes);
};

}  // namespace sealpost
