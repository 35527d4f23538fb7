// What a client opens, sealed with the right keys: the answer to a record (PROTOCOL 6) and message
// 2 of a handshake (PROTOCOL 5).
#include "crypto/xaes.h"
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"
#include "fuzz/naive.h"
#include "protocol/handshake.h"

namespace sealpost {
namespace {

using fuzz::require;

constexpr int kStatuses = 15;

void answer_to_record(ByteView plaintext) {
  const auto request = fuzz::filled_id<crypto::Digest>(1);
  const auto nonce = fuzz::filled<24>(2);
  Bytes sealed = Writer().u8(0x92).put(nonce).take();
  const Bytes context = Writer().put("sealpost/1 answer").put(request).take();
  crypto::xaes_seal(fuzz::key(3), nonce, context, plaintext, sealed);

  const auto answer = open_answer(fuzz::key(3), request, sealed);
  const bool shaped = plaintext.size() >= 33 && plaintext[0] < kStatuses;
  require(static_cast<bool>(answer) == shaped, "a known status, a time and a receipt");
  require(!open_answer(fuzz::key(3), fuzz::filled_id<crypto::Digest>(4), sealed),
          "of this request alone");
  require(!open_answer(fuzz::key(4), request, sealed), "under this key alone");
  if (!answer) return;
  require(static_cast<int>(answer->status) == plaintext[0], "the same status");
  require(to_ms(answer->server_time) == fuzz::naive_number(plaintext, 1, 8), "the same time");
  require(answer->receipt.next == fuzz::naive_number(plaintext, 9, 8), "the same receipt");
  require(fuzz::same(answer->body, plaintext.subspan(33)), "the same body");
  const auto again = open_answer(fuzz::key(3), request,
                                 seal_answer(fuzz::key(3), request, fuzz::filled<32>(5), *answer));
  require(again && again->status == answer->status && again->server_time == answer->server_time &&
              again->receipt == answer->receipt && again->body == answer->body,
          "what the gateway seals is read");
}

void check_welcome(const ClientHandshake::Answer& answer, ByteView payload) {
  require(static_cast<int>(answer.status) == payload[0], "the same status");
  require(to_ms(answer.server_time) == fuzz::naive_number(payload, 1, 8), "the same time");
  require(answer.grant.has_value() == (payload[0] == 0), "a grant if accepted");
  require(answer.keys.has_value() == (payload[0] == 0), "and keys");
  if (!answer.grant) return;
  Writer again;
  again.u8(0).time(answer.server_time).put(answer.grant->session_id).put(answer.grant->epoch);
  again.time(answer.grant->expires_at);
  answer.grant->receipt.write(again);
  again.u32(answer.grant->max_body);
  require(fuzz::same(again.view(), payload), "written again, it is the same");
}

void answer_to_handshake(ByteView payload) {
  const Credential& me = fuzz::credential();
  ClientHandshake call(me, fuzz::filled_id<InstallNonce>(1), {}, time_from_ms(1), false,
                       fuzz::key(2));
  const ByteView message = call.envelope().message;
  Writer prologue;
  prologue.put("sealpost/1 handshake").put(me.server_id).put(message.first(6));
  prologue.put(call.envelope().clear());
  auto noise =
      crypto::NoiseResponder::read(psk_of(me.client_key), prologue.view(), message.subspan(6));
  require(noise && noise->agree(fuzz::key(3)), "the call is well formed");
  const auto answer = call.finish(Writer().u8(0x91).put(noise->write(payload)).view());
  const bool shaped =
      !payload.empty() && payload[0] < kStatuses && payload.size() == (payload[0] == 0 ? 77U : 9U);
  require(static_cast<bool>(answer) == shaped, "a known status, and what belongs to it");
  if (answer) check_welcome(*answer, payload);
}

void bare_answer(ByteView bytes) {
  require(!open_answer(fuzz::key(3), fuzz::filled_id<crypto::Digest>(1), bytes),
          "an unauthenticated answer does not open");
  ClientHandshake call(fuzz::credential(), fuzz::filled_id<InstallNonce>(1), {}, time_from_ms(1),
                       false, fuzz::key(2));
  require(!call.finish(bytes), "neither does it here");
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  const std::size_t what = choices.of(3);
  const Bytes rest = choices.rest();
  if (what == 0) answer_to_record(rest);
  if (what == 1) answer_to_handshake(rest);
  if (what == 2) bare_answer(rest);
  return 0;
}
