// A handshake's payload, sealed with the client's key (PROTOCOL 5).  What is read is written again
// as the same bytes, and a second reader reads the same.  The same for message 1 itself.
#include "crypto/noise.h"
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"
#include "fuzz/naive.h"
#include "protocol/handshake.h"

namespace sealpost {
namespace {

using fuzz::require;

void sealed_payload(ByteView payload, bool hmac_in_clear) {
  const Credential& me = fuzz::credential();
  Envelope envelope = fuzz::clear_fields(true, hmac_in_clear);
  const Bytes header = Writer().u8(kHandshakeKind).u8(me.kid).u32(me.generation).take();
  Writer prologue;
  prologue.put("sealpost/1 handshake").put(me.server_id).put(header).put(envelope.clear());
  crypto::NoiseInitiator noise(psk_of(me.client_key), prologue.view(), fuzz::key(3));
  envelope.message = Writer().put(header).put(noise.write(payload)).take();

  auto opened = OpenedHandshake::open(envelope, fuzz::keyring());
  require(static_cast<bool>(opened) == (envelope.message.size() <= 2048),
          "it opens if not too long");
  if (!opened) return;
  require(opened->name() == me.name && opened->kid() == me.kid, "it is this client's");
  require(opened->sent_at().has_value() == (payload.size() >= 8), "eight bytes are a time");

  const auto read = opened->request();
  std::size_t at = 24;
  const auto naive =
      payload.size() < at ? std::nullopt : fuzz::naive_statement(payload, at, hmac_in_clear);
  require(static_cast<bool>(read) == (naive && at == payload.size()),
          "both take the same payloads");
  if (!read) return;
  require(to_ms(*opened->sent_at()) == fuzz::naive_number(payload, 0, 8), "the same time");
  require(fuzz::same(read->install_nonce, payload.subspan(8, 16)), "the same installation");
  require(read->proof.receipt.next == naive->next, "the same receipt");
  Writer again;
  again.time(*opened->sent_at()).put(read->install_nonce);
  read->proof.write(again, hmac_in_clear);
  require(fuzz::same(again.view(), payload), "written again, it is the same");

  const Installation who{me.name, me.generation, read->install_nonce};
  const bool issued = read->proof.key_use_hmac == me.key_use_hmac &&
                      read->proof.claims.values() == me.claims.values();
  require(was_issued(fuzz::keyring(), me.kid, who, read->proof) == issued,
          "no claims but those that were issued");
  require(opened->agree(fuzz::key(4)), "X25519 agrees");
  require(!opened->reject(Status::kLate, time_from_ms(1)).empty(), "it can be answered");
}

// Nobody seals by chance.
void bare_message(Bytes message, bool named) {
  Envelope envelope = fuzz::clear_fields(named, false);
  envelope.message = std::move(message);
  require(!OpenedHandshake::open(envelope, fuzz::keyring()), "unauthenticated bytes do not open");
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  const std::size_t what = choices.of(4);
  const Bytes rest = choices.rest();
  if (what < 2) sealed_payload(rest, what == 1);
  if (what >= 2) bare_message(rest, what == 2);
  return 0;
}
