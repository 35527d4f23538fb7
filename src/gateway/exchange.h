// One request on its way to its answer: it has an answer, it can be admitted, or a handler works on
// its message.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>
#include <variant>

#include "gateway/log.h"
#include "gateway/pending_delivery.h"
#include "gateway/request.h"
#include "gateway/requester.h"
#include "store/store.h"

namespace sealpost {

// A request whose answer is ready.
struct Answered {
  Requester requester;
  Response response;
};

// An authenticated record.  The store decides whether it is admitted.
struct Admissible {
  Requester requester;
  Candidate candidate;
  const Target* handler = nullptr;  // in the batch's routes; of a message for a handler
  int line = 0;                     // of the route that rejects the message, if one does
};

using Exchange = std::variant<Answered, Admissible, PendingDelivery>;

// These functions take the requester only when they succeed.

// An answer that is not sealed (PROTOCOL 4).
[[nodiscard]] Answered answer_plainly(Requester&& requester, const PlainAnswer& plain);

// A fault of this server: the client gets 503, the log gets `fault`.
[[nodiscard]] Answered answer_fault(Requester&& requester, std::string_view fault);

// An answer that is sealed already: message 2 of a handshake (PROTOCOL 5).
[[nodiscard]] Answered answer_sealed(Requester&& requester, Status status, Reason reason,
                                     ByteView sealed);

// The answer to a record (PROTOCOL 6).  The requester must have a session.  Throws Fault if the
// kernel gives no random bytes.
[[nodiscard]] Answered answer_record(Requester&& requester, Reason reason, const Answer& answer);

// The receipt that an answer to this session carries: how far the server has counted (PROTOCOL 6).
[[nodiscard]] Receipt receipt_for(const Session& session, const Keyring& keyring,
                                  const Epoch& epoch, std::uint64_t next);

}  // namespace sealpost
