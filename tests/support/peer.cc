#include "support/peer.h"

#include "crypto/xaes.h"

namespace sealpost::test {
namespace {

Time shifted(Time now, std::int64_t shift) {
  return time_from_ms(static_cast<std::uint64_t>(static_cast<std::int64_t>(to_ms(now)) + shift));
}

}  // namespace

RoundTrip Peer::handshake(std::int64_t shift) {
  ClientHandshake call(credential, install_nonce, receipt, shifted(now(), shift), hmac_in_clear,
                       crypto::random_key());
  RoundTrip exchange;
  exchange.form = call.envelope().form();
  exchange.reply = wire(exchange.form);
  auto answer = call.finish(bytes_of(exchange.reply.body));
  if (!answer) return exchange;
  exchange.status = name_of(answer->status);
  exchange.server_time = answer->server_time;
  if (answer->grant) {
    session = *answer->grant;
    keys = std::move(answer->keys);
    exchange.receipt = session->receipt;
  }
  return exchange;
}

Message Peer::message(const std::string& body, const std::string& topic) {
  return {next++, crypto::random_id<MessageId>(), topic, Bytes(body.begin(), body.end())};
}

Envelope Peer::seal(const Message& message, std::int64_t shift,
                    std::optional<std::uint64_t> oldest) const {
  Envelope clear;
  if (name_in_clear) clear.name = credential.name;
  if (hmac_in_clear) clear.key_use_hmac = credential.key_use_hmac;
  const ClaimsProof proof{receipt, credential.claims, credential.key_use_hmac};
  return seal_record(keys.value().c2s, session.value().session_id, crypto::random_array<32>(),
                     std::move(clear), message, proof, shifted(now(), shift),
                     oldest.value_or(message.counter));
}

Envelope Peer::seal_plaintext(std::uint64_t counter, ByteView plaintext) const {
  const auto random = crypto::random_array<16>();
  Envelope envelope;
  if (hmac_in_clear) envelope.key_use_hmac = credential.key_use_hmac;
  envelope.message =
      Writer().u8(kRecordKind).put(session.value().session_id).u64(counter).put(random).take();
  const Bytes context =
      Writer().put("sealpost/1 record").put(envelope.message).put(envelope.clear()).take();
  Reader reader(ByteView(envelope.message).subspan(17));
  crypto::xaes_seal(keys.value().c2s, reader.array<24>(), context, plaintext, envelope.message);
  return envelope;
}

RoundTrip Peer::post(const Envelope& envelope) {
  RoundTrip exchange;
  exchange.form = envelope.form();
  exchange.reply = wire(exchange.form);
  if (!keys) return exchange;
  const auto answer =
      open_answer(keys->s2c, crypto::sha256({envelope.message}), bytes_of(exchange.reply.body));
  if (!answer) return exchange;
  exchange.status = name_of(answer->status);
  exchange.server_time = answer->server_time;
  exchange.receipt = answer->receipt;
  exchange.body = text_of(answer->body);
  if (answer->receipt.next > receipt.next) receipt = answer->receipt;
  return exchange;
}

RoundTrip Peer::send(const Message& message, std::int64_t shift) {
  return post(seal(message, shift));
}

}  // namespace sealpost::test
