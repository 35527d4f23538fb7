#include "gateway/pending_delivery.h"

#include "crypto/primitives.h"

namespace sealpost {

void Caller::answer(const PlainAnswer& plain) {
  response = plain.response();
  entry.outcome = plain.status == 503 ? LogOutcome::kUnavailable : LogOutcome::kRejected;
  entry.reason = plain.reason;
}

void Caller::answer(Status status, Reason reason, const Bytes& sealed) {
  response = Response{http_status_of(status), std::string(text_of(sealed)), true};
  entry.outcome = log_outcome_of(status);
  entry.reason = reason;
}

void Caller::answer_sealed(Status status, Reason reason, Time now, const Receipt& receipt,
                           Bytes body) {
  answer(status, reason,
         seal_answer(session->keys.s2c, request_hash, crypto::random_array<32>(),
                     {status, now, receipt, std::move(body)}));
}

PendingDelivery::PendingDelivery(DeliveryJob job, Target target, Milliseconds timeout,
                                 Caller caller, WorkerPool::Place place,
                                 const std::atomic<bool>& stop)
    : job_(std::move(job)),
      target_(std::move(target)),
      timeout_(timeout),
      caller_(std::move(caller)),
      place_(std::move(place)),
      stop_(stop) {}

void PendingDelivery::run() {
  result_ = deliver(target_, job_, {timeout_, stop_});
  place_.reset();
}

}  // namespace sealpost
