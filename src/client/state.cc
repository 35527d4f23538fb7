#include "client/state.h"

#include "crypto/primitives.h"

namespace sealpost {
namespace {

constexpr std::string_view kMagic = "sealpost client state 1\n";

// Clears `valid` unless the byte is 0 or 1.
bool flag(Reader& reader, bool& valid) {
  const std::uint8_t value = reader.u8();
  valid = valid && value <= 1;
  return value == 1;
}

}  // namespace

ClientState ClientState::fresh(const Credential& credential) {
  ClientState state;
  state.server_id = credential.server_id;
  state.name = credential.name;
  state.kid = credential.kid;
  state.generation = credential.generation;
  state.reinstall();
  return state;
}

bool ClientState::belongs_to(const Credential& credential) const {
  return server_id == credential.server_id && name == credential.name && kid == credential.kid &&
         generation == credential.generation;
}

void ClientState::reinstall() {
  install_nonce = crypto::random_id<InstallNonce>();
  next = 0;
  must_reinstall = false;
  receipt = {};
  session.reset();
}

std::string_view text_of(StateError error) {
  return error == StateError::kDamaged ? "damaged" : "of another version";
}

crypto::SecretBytes ClientState::encode() const {
  crypto::SecretWriter writer;
  writer.put(kMagic).put(server_id).lp8(name).u8(kid).u32(generation);
  writer.put(install_nonce).u64(next).u8(must_reinstall ? 1 : 0).put(epoch);
  writer.u64(receipt.next).put(receipt.proof).u64(static_cast<std::uint64_t>(offset.count()));
  for (const Time time : takeovers) writer.time(time);
  writer.u8(session ? 1 : 0);
  if (session) {
    writer.put(session->id).put(session->keys.c2s.reveal()).put(session->keys.s2c.reveal());
    writer.time(session->expires_at).u32(session->max_body).u8(session->worked ? 1 : 0);
  }
  writer.put(crypto::sha256({writer.view()}));
  return writer.take();
}

Result<ClientState, StateError> ClientState::decode(ByteView bytes) {
  constexpr std::size_t kSum = 32;
  if (bytes.size() < kSum) return StateError::kDamaged;
  const ByteView content = bytes.first(bytes.size() - kSum);
  if (!crypto::equal(crypto::sha256({content}), bytes.last(kSum))) return StateError::kDamaged;

  Reader reader(content);
  if (text_of(reader.take(kMagic.size())) != kMagic) return StateError::kOtherVersion;
  bool valid = true;
  ClientState state;
  state.server_id = reader.id<ServerId>();
  state.name = text_of(reader.lp8());
  state.kid = reader.u8();
  state.generation = reader.u32();
  state.install_nonce = reader.id<InstallNonce>();
  state.next = reader.u64();
  state.must_reinstall = flag(reader, valid);
  state.epoch = reader.id<Epoch>();
  state.receipt = Receipt::read(reader);
  state.offset = ClockOffset(static_cast<std::int64_t>(reader.u64()));
  for (Time& time : state.takeovers) time = reader.time();
  if (flag(reader, valid)) {
    state.session.emplace();
    state.session->id = reader.id<SessionId>();
    for (crypto::Key* key : {&state.session->keys.c2s, &state.session->keys.s2c}) {
      const ByteView read = reader.take(crypto::Key::kSize);
      std::copy(read.begin(), read.end(), key->fill().begin());
    }
    state.session->expires_at = reader.time();
    state.session->max_body = reader.u32();
    state.session->worked = flag(reader, valid);
  }
  valid = valid && is_name(state.name) && state.kid != 0 && state.generation != 0 &&
          state.next <= kCounterEnd;
  if (!reader.expect_end() || !valid) return StateError::kDamaged;
  return state;
}

}  // namespace sealpost
