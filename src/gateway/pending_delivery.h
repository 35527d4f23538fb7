// What is left of a request while its answer is looked for, and a message that was handed over.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "delivery/delivery.h"
#include "delivery/worker_pool.h"
#include "gateway/log.h"
#include "gateway/request.h"
#include "gateway/session_cache.h"

namespace sealpost {

// Whoever waits for an answer, what is needed to seal it, and what the log will say.
struct Caller {
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  std::shared_ptr<const KnownSession> session;  // once the seal has opened; none: nobody waits
  crypto::Digest request_hash{};                // likewise
  std::optional<Response> response;
  LogEntry entry;

  void answer(const PlainAnswer& plain);
  void answer(Status status, Reason reason, const Bytes& sealed);
  // The answer to a record.
  void answer_sealed(Status status, Reason reason, Time now, const Receipt& receipt, Bytes body);
};

// A message that is committed and on its way through a handler.
class PendingDelivery {
 public:
  // `stop` must outlive it.
  PendingDelivery(DeliveryJob job, Target target, Milliseconds timeout, Caller caller,
                  WorkerPool::Place place, const std::atomic<bool>& stop);

  // Waits for the handler.  Once, in any thread; then Gateway::finish.
  void run();

  [[nodiscard]] const DeliveryJob& job() const { return job_; }
  [[nodiscard]] const Caller& caller() const { return caller_; }

 private:
  friend class Gateway;

  DeliveryJob job_;
  Target target_;
  Milliseconds timeout_;
  Caller caller_;
  std::optional<WorkerPool::Place> place_;  // until it has run
  const std::atomic<bool>& stop_;
  HandlerResult result_;
};

}  // namespace sealpost
