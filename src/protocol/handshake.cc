#include "protocol/handshake.h"

namespace sealpost {
namespace {

constexpr std::uint8_t kAnswerKind = 0x91;
constexpr std::size_t kHeaderSize = 6;
constexpr std::size_t kMessageMax = 2048;

Bytes prologue_of(const ServerId& server_id, ByteView header, const Envelope& envelope) {
  Writer writer;
  writer.put("sealpost/1 handshake").put(server_id).put(header).put(envelope.clear());
  return writer.take();
}

SessionKeys session_keys(crypto::NoiseKeys keys) {
  return {std::move(keys.to_responder), std::move(keys.to_initiator)};
}

Bytes header_of(const Credential& credential) {
  return Writer().u8(kHandshakeKind).u8(credential.kid).u32(credential.generation).take();
}

Envelope clear_envelope(const Credential& credential, bool hmac_in_clear) {
  Envelope envelope;
  envelope.name = credential.name;
  if (hmac_in_clear) envelope.key_use_hmac = credential.key_use_hmac;
  return envelope;
}

}  // namespace

Result<OpenedHandshake> OpenedHandshake::open(const Envelope& envelope, const Keyring& keyring) {
  if (envelope.message.size() > kMessageMax) return Rejection{"handshake_length"};
  Reader reader(envelope.message);
  const std::uint8_t kind = reader.u8();
  const Kid kid = reader.u8();
  const Generation generation = reader.u32();
  if (!reader.complete() || kind != kHandshakeKind) return Rejection{"handshake_length"};
  if (!keyring.has(kid)) return Rejection{"kid"};
  if (!is_name(envelope.name)) return Rejection{"name"};

  const crypto::Key psk = psk_of(keyring.client_key(kid, envelope.name, generation));
  const Bytes prologue =
      prologue_of(keyring.server_id(), ByteView(envelope.message).first(kHeaderSize), envelope);
  auto noise = crypto::NoiseResponder::read(psk, prologue, reader.rest());
  if (!noise) return Rejection{"handshake_seal"};
  return OpenedHandshake(std::move(*noise), envelope.name, kid, generation, envelope.key_use_hmac,
                         crypto::sha256({envelope.message}));
}

std::optional<Time> OpenedHandshake::sent_at() const {
  Reader reader(noise_.payload());
  const Time sent_at = reader.u64();
  if (!reader.complete()) return std::nullopt;
  return sent_at;
}

Result<HandshakeRequest> OpenedHandshake::request() const {
  Reader reader(noise_.payload());
  reader.u64();  // sent_at
  const auto install_nonce = reader.array<16>();
  Result<ClaimsProof> statement = ClaimsProof::read(reader, hmac_in_clear_);
  if (!statement) return statement.rejection();
  if (!reader.expect_end()) return Rejection{"handshake_end"};
  return HandshakeRequest{install_nonce, std::move(*statement)};
}

SessionKeys OpenedHandshake::keys() const { return session_keys(noise_.keys()); }

Bytes OpenedHandshake::refuse(Status status, Time server_time) {
  Writer payload;
  payload.u8(static_cast<std::uint8_t>(status)).u64(server_time);
  return Writer().u8(kAnswerKind).put(noise_.write(payload.view())).take();
}

Bytes OpenedHandshake::accept(const SessionGrant& grant, Time server_time) {
  Writer payload;
  payload.u8(static_cast<std::uint8_t>(Status::kAccepted)).u64(server_time);
  payload.put(grant.session_id).put(grant.epoch).u64(grant.expires_at);
  grant.receipt.write(payload);
  payload.u32(grant.max_body);
  return Writer().u8(kAnswerKind).put(noise_.write(payload.view())).take();
}

ClientHandshake::ClientHandshake(const Credential& credential, const InstallNonce& install_nonce,
                                 const Receipt& receipt, Time sent_at, bool hmac_in_clear,
                                 crypto::Key ephemeral)
    : envelope_(clear_envelope(credential, hmac_in_clear)),
      noise_(psk_of(credential.client_key),
             prologue_of(credential.server_id, header_of(credential), envelope_),
             std::move(ephemeral)) {
  Writer payload;
  payload.u64(sent_at).put(install_nonce);
  const ClaimsProof statement{receipt, credential.claims, credential.key_use_hmac};
  statement.write(payload, hmac_in_clear);
  envelope_.message = Writer().put(header_of(credential)).put(noise_.write(payload.view())).take();
}

Result<ClientHandshake::Answer> ClientHandshake::finish(ByteView answer) {
  constexpr Rejection kNotOurs{"the answer does not open"};
  if (answer.empty() || answer.front() != kAnswerKind) return kNotOurs;
  auto finished = noise_.read(answer.subspan(1));
  if (!finished) return kNotOurs;

  Reader reader(finished->payload);
  const std::optional<Status> status = status_of(reader.u8());
  const Time server_time = reader.u64();
  if (!status) return kNotOurs;
  Answer result{*status, server_time, std::nullopt, std::nullopt};
  if (*status == Status::kAccepted) {
    SessionGrant grant;
    grant.session_id = reader.array<16>();
    grant.epoch = reader.array<16>();
    grant.expires_at = reader.u64();
    grant.receipt = Receipt::read(reader);
    grant.max_body = reader.u32();
    result.grant = grant;
    result.keys = session_keys(std::move(finished->keys));
  }
  if (!reader.expect_end()) return kNotOurs;
  return result;
}

}  // namespace sealpost
