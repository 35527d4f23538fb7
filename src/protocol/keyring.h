// The key schedule (PROTOCOL 3): all keys that are derived from a master key.  Each derivation has
// its own label and length-prefixed parts.  The master key is used only for the first extraction
// and is not kept.
#pragma once

#include <map>
#include <string_view>

#include "base/bytes.h"
#include "crypto/primitives.h"
#include "crypto/secret.h"
#include "protocol/ids.h"

namespace sealpost {

using ClientKey = crypto::Secret<16>;

// The pre-shared key of the handshake: HKDF(salt = "", IKM = client_key, "sealpost/1 psk", 32).
[[nodiscard]] crypto::Key psk_of(const ClientKey& client_key);

// The keys of a session: client to server, and server to client.
struct SessionKeys {
  crypto::Key c2s;
  crypto::Key s2c;
};

// The server's keys of all its kids.  Every function that takes a kid throws Fault if has(kid) is
// false.
class Keyring {
 public:
  explicit Keyring(const ServerId& server_id) : server_id_(server_id) {}

  void add(Kid kid, const crypto::Key& master_key);
  [[nodiscard]] bool has(Kid kid) const { return keys_.contains(kid); }
  [[nodiscard]] const ServerId& server_id() const { return server_id_; }

  [[nodiscard]] ClientKey client_key(Kid kid, std::string_view name, Generation generation) const;

  // HMAC(key_use_key, u8 kid, lp8(name), u32 generation, claims block): 32 bytes.
  [[nodiscard]] KeyUseHmac key_use_hmac(Kid kid, std::string_view name, Generation generation,
                                        ByteView claims_block) const;

  [[nodiscard]] const crypto::Key& receipt_key(Kid kid) const { return of(kid).receipt_key; }

  // Encrypts session keys for the database: XAES-256-GCM under storage_key, with session_id and
  // name as associated data (PROTOCOL 8).  `nonce` must be fresh.
  [[nodiscard]] Bytes seal_session_keys(Kid kid, const SessionId& session, std::string_view name,
                                        const SessionKeys& keys, const ByteArray<24>& nonce) const;
  // Throws Fault if seal_session_keys() did not make these bytes for this session and name.
  [[nodiscard]] SessionKeys open_session_keys(Kid kid, const SessionId& session,
                                              std::string_view name, ByteView sealed) const;

 private:
  struct Derived {
    crypto::Key root;
    crypto::Key key_use_key;
    crypto::Key receipt_key;
    crypto::Key storage_key;
  };
  [[nodiscard]] const Derived& of(Kid kid) const;

  ServerId server_id_;
  std::map<Kid, Derived> keys_;
};

}  // namespace sealpost
