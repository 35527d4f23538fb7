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

Result<OpenedHandshake, Reason> OpenedHandshake::open(const Envelope& envelope,
                                                      const Keyring& keyring) {
  if (envelope.message.size() > kMessageMax) return Reason::kHandshakeLength;
  Reader reader(envelope.message);
  const std::uint8_t kind = reader.u8();
  const Kid kid = reader.u8();
  const Generation generation = reader.u32();
  if (!reader.complete() || kind != kHandshakeKind) return Reason::kHandshakeLength;
  if (!keyring.has(kid)) return Reason::kKid;
  if (!is_name(envelope.name)) return Reason::kName;

  const crypto::Key psk = psk_of(keyring.client_key(kid, envelope.name, generation));
  const Bytes prologue =
      prologue_of(keyring.server_id(), ByteView(envelope.message).first(kHeaderSize), envelope);
  auto noise = crypto::NoiseResponder::read(psk, prologue, reader.rest());
  if (!noise) return Reason::kHandshakeSeal;
  return OpenedHandshake(std::move(*noise), envelope.name, kid, generation, envelope.key_use_hmac,
                         crypto::sha256({envelope.message}));
}

std::optional<Time> OpenedHandshake::sent_at() const {
  Reader reader(noise_.payload());
  const Time sent_at = reader.time();
  if (!reader.complete()) return std::nullopt;
  return sent_at;
}

Result<HandshakeRequest, Reason> OpenedHandshake::request() const {
  Reader reader(noise_.payload());
  reader.time();  // sent_at
  const auto install_nonce = reader.id<InstallNonce>();
  Result<ClaimsProof, Reason> proof = ClaimsProof::read(reader, hmac_in_clear_);
  if (!proof) return proof.error();
  if (!reader.expect_end()) return Reason::kHandshakeEnd;
  return HandshakeRequest{install_nonce, std::move(*proof)};
}

SessionKeys OpenedHandshake::keys() const { return session_keys(noise_.keys()); }

Bytes OpenedHandshake::reject(Status status, Time server_time) {
  Writer payload;
  payload.u8(static_cast<std::uint8_t>(status)).time(server_time);
  return Writer().u8(kAnswerKind).put(noise_.write(payload.view())).take();
}

Bytes OpenedHandshake::accept(const SessionGrant& grant, Time server_time) {
  Writer payload;
  payload.u8(static_cast<std::uint8_t>(Status::kAccepted)).time(server_time);
  payload.put(grant.session_id).put(grant.epoch).time(grant.expires_at);
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
  payload.time(sent_at).put(install_nonce);
  const ClaimsProof proof{receipt, credential.claims, credential.key_use_hmac};
  proof.write(payload, hmac_in_clear);
  envelope_.message = Writer().put(header_of(credential)).put(noise_.write(payload.view())).take();
}

std::optional<ClientHandshake::Answer> ClientHandshake::finish(ByteView answer) {
  if (answer.empty() || answer.front() != kAnswerKind) return std::nullopt;
  auto finished = noise_.read(answer.subspan(1));
  if (!finished) return std::nullopt;

  Reader reader(finished->payload);
  const std::optional<Status> status = status_of(reader.u8());
  const Time server_time = reader.time();
  if (!status) return std::nullopt;
  Answer result{*status, server_time, std::nullopt, std::nullopt};
  if (*status == Status::kAccepted) {
    SessionGrant grant;
    grant.session_id = reader.id<SessionId>();
    grant.epoch = reader.id<Epoch>();
    grant.expires_at = reader.time();
    grant.receipt = Receipt::read(reader);
    grant.max_body = reader.u32();
    result.grant = grant;
    result.keys = session_keys(std::move(finished->keys));
  }
  if (!reader.expect_end()) return std::nullopt;
  return result;
}

}  // namespace sealpost
