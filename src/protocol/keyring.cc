#include "protocol/keyring.h"

#include <string>

#include "base/result.h"
#include "crypto/xaes.h"

namespace sealpost {
namespace {

constexpr std::size_t kKeySize = crypto::Key::kSize;

crypto::Key labelled_key(const crypto::Key& root, std::string_view label, const ServerId& server_id,
                         Kid kid) {
  crypto::Key key;
  crypto::hkdf_expand(root, Writer().put(label).put(server_id).u8(kid).view(), key.fill());
  return key;
}

Bytes storage_context(const SessionId& session, std::string_view name) {
  return Writer().put(session).put(name).take();
}

}  // namespace

crypto::Key psk_of(const ClientKey& client_key) {
  crypto::Key psk;
  crypto::hkdf({}, client_key.reveal(), bytes_of("sealpost/1 psk"), psk.fill());
  return psk;
}

void Keyring::add(Kid kid, const crypto::Key& master_key) {
  crypto::Key root = crypto::hkdf_extract(bytes_of("sealpost/1"), master_key.reveal());
  Derived derived{
      .root = root.clone(),
      .key_use_key = labelled_key(root, "key use", server_id_, kid),
      .receipt_key = labelled_key(root, "receipt", server_id_, kid),
      .storage_key = labelled_key(root, "storage", server_id_, kid),
  };
  keys_.insert_or_assign(kid, std::move(derived));
}

ClientKey Keyring::client_key(Kid kid, std::string_view name, Generation generation) const {
  Writer info;
  info.put("client key").put(server_id_).u8(kid).lp8(name).u32(generation);
  ClientKey key;
  crypto::hkdf_expand(of(kid).root, info.view(), key.fill());
  return key;
}

KeyUseHmac Keyring::key_use_hmac(Kid kid, std::string_view name, Generation generation,
                                 ByteView claims_block) const {
  Writer subject;
  subject.u8(kid).lp8(name).u32(generation);
  return {crypto::hmac_sha256(of(kid).key_use_key.reveal(), {subject.view(), claims_block}).bytes};
}

Bytes Keyring::seal_session_keys(Kid kid, const SessionId& session, std::string_view name,
                                 const SessionKeys& keys, const ByteArray<24>& nonce) const {
  crypto::Secret<2 * kKeySize> both;
  std::copy_n(keys.c2s.reveal().begin(), kKeySize, both.fill().begin());
  std::copy_n(keys.s2c.reveal().begin(), kKeySize, both.fill().begin() + kKeySize);
  Bytes sealed(nonce.begin(), nonce.end());
  crypto::xaes_seal(of(kid).storage_key, nonce, storage_context(session, name), both.reveal(),
                    sealed);
  return sealed;
}

SessionKeys Keyring::open_session_keys(Kid kid, const SessionId& session, std::string_view name,
                                       ByteView sealed) const {
  Reader reader(sealed);
  const auto nonce = reader.array<24>();
  auto both =
      crypto::xaes_open(of(kid).storage_key, nonce, storage_context(session, name), reader.rest());
  if (!both || both->size() != 2 * kKeySize) {
    throw Fault("cannot decrypt a session's keys in the database with master key " +
                std::to_string(kid) +
                ": they were encrypted with another key; end the sessions with `sealpost session "
                "end`");
  }
  SessionKeys keys{crypto::Key(ByteView(*both).first<kKeySize>()),
                   crypto::Key(ByteView(*both).last<kKeySize>())};
  explicit_bzero(both->data(), both->size());
  return keys;
}

const Keyring::Derived& Keyring::of(Kid kid) const {
  const auto found = keys_.find(kid);
  if (found == keys_.end()) throw Fault("there is no master key " + std::to_string(kid));
  return found->second;
}

}  // namespace sealpost
