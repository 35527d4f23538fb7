#include "gateway/exchange.h"

#include "crypto/primitives.h"

namespace sealpost {

Answered answer_plainly(Requester&& requester, const PlainAnswer& plain) {
  requester.entry.outcome =
      plain.reason == Reason::kFault ? LogOutcome::kUnavailable : LogOutcome::kRejected;
  requester.entry.reason = plain.reason;
  return {std::move(requester), plain.response()};
}

Answered answer_fault(Requester&& requester, std::string_view fault) {
  requester.entry.detail = fault;
  return answer_plainly(std::move(requester), unavailable());
}

Answered answer_sealed(Requester&& requester, Status status, Reason reason, ByteView sealed) {
  requester.entry.outcome = outcome_of(status);
  requester.entry.reason = reason;
  return {std::move(requester),
          Response{http_status_of(status), std::string(text_of(sealed)), true}};
}

Answered answer_record(Requester&& requester, Reason reason, const Answer& answer) {
  const Bytes sealed = seal_answer(requester.session->keys.s2c, requester.request_hash,
                                   crypto::random_array<32>(), answer);
  return answer_sealed(std::move(requester), answer.status, reason, sealed);
}

Receipt receipt_for(const Session& session, const Keyring& keyring, const Epoch& epoch,
                    std::uint64_t next) {
  return make_receipt(keyring.receipt_key(session.kid), epoch, session.installation, next);
}

}  // namespace sealpost
