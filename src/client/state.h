// What a client must not forget, besides its open messages (PROTOCOL 8).
#pragma once

#include <array>
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "protocol/credential.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/receipt.h"

namespace sealpost {

// Why a state file cannot be used.
enum class StateError { kDamaged, kOtherVersion };

struct ClientSession {
  SessionId id;
  SessionKeys keys;
  Time expires_at;  // by the server's clock
  std::uint32_t max_body;
  bool worked = false;  // a message was answered in it
};

struct ClientState {
  // Whose state it is: (server_id, name, kid, generation).
  ServerId server_id{};
  std::string name;
  Kid kid = 0;
  Generation generation = 0;

  // The installation.
  InstallNonce install_nonce{};
  std::uint64_t next = 0;      // the lowest counter that was never used
  bool leave = false;          // take a new install_nonce once nothing numbered is open
  Epoch epoch{};               // of `receipt`
  Receipt receipt;             // the highest of this epoch
  ClockOffset offset{};        // from our clock to the server's
  std::array<Time, 2> lost{};  // when the last two sessions were ended by another installation

  std::optional<ClientSession> session;

  // An empty state for a credential, with a new install_nonce.
  [[nodiscard]] static ClientState fresh(const Credential& credential);
  [[nodiscard]] bool belongs_to(const Credential& credential) const;
  // A new installation of the same client: nothing counted, no session.
  void reinstall();

  // The file's bytes: a magic line, the fields in the order above, SHA-256 of all before it.
  [[nodiscard]] crypto::SecretBytes encode() const;
  // Refuses any bytes that encode() would not give.
  [[nodiscard]] static Result<ClientState, StateError> decode(ByteView bytes);
};

}  // namespace sealpost
