// The walk of a batch of requests: open, commit, respond.  The checks stand here in the order of
// PROTOCOL 4, 5 and 6.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gateway/exchange.h"
#include "gateway/housekeeping.h"
#include "gateway/resources.h"
#include "protocol/handshake.h"

namespace sealpost {

// What becomes of a request: its answer, or a delivery that the caller must run and then finish.
using Handled = std::variant<Response, PendingDelivery>;

// Serves one set of settings, in one thread.
class Gateway {
 public:
  static constexpr std::size_t kMaxClaims = 1024;  // more than there are places for handlers

  // `pool` has places for handlers; the caller runs them.  It must outlive the gateway.
  Gateway(SettingTexts texts, WorkerPool& pool);

  // How many bytes of a body the server need read: a longer body is too large.
  [[nodiscard]] std::size_t max_body() const { return max_body_; }

  // Answers a batch.  The results stand in the order of the batch.  All new messages in it become
  // durable in one transaction, and no answer leaves before that.  Never throws: a fault of this
  // server is logged and answered with 503.
  [[nodiscard]] std::vector<Handled> handle(std::span<const Request* const> batch, Time now);

  // Saves durably what handlers made of messages.  Sets each delivery's log entry, and its response
  // if a client waits.  Never throws: results that cannot be saved now are kept, and
  // do_housekeeping() tries again.
  void finish(std::span<PendingDelivery* const> done, Time now);
  // Tries to save the results that are kept, again and again for at most `longest`.  Never throws.
  void wait_until_saved(Milliseconds longest);

  // Messages whose handler was interrupted and for which nobody waits, at most `most`.  The caller
  // must run each and then finish it.  Their leases begin now, so a caller that runs them one after
  // another must claim one at a time.  Throws Fault.
  [[nodiscard]] std::vector<PendingDelivery> claim_overdue(Time now, std::size_t most = kMaxClaims);
  // Whether it is time to look for such messages: every 10 s.
  [[nodiscard]] bool should_claim_overdue(Time now) const;

  // Does what need not be done while a client waits (see Housekeeping::run).
  void do_housekeeping(Time now, bool at_exit);
  [[nodiscard]] bool is_housekeeping_done() const;

  // Leaves the database so that the next process starts fast.  For CGI, after the answer was sent.
  void prepare_exit();

 private:
  // A request after the checks of PROTOCOL 4, which need nothing but the request.
  struct Received {
    const Request* request;
    std::variant<PlainAnswer, Envelope> content;
  };
  // Why there is no snapshot: the fault's text.
  using SnapshotResult = Result<Snapshot, std::string>;

  static Received receive(const Request& request);
  SnapshotResult take_snapshot();

  Exchange open(const Received& received, const SnapshotResult& snapshot, Time now);
  Answered open_handshake(const Envelope& envelope, Requester& requester, const Snapshot& snapshot,
                          Time now);
  Exchange open_record(const Envelope& envelope, Requester& requester, const Snapshot& snapshot,
                       Time now);
  std::shared_ptr<const KnownSession> find_session(const SessionId& id, const Snapshot& snapshot,
                                                   Time now);

  void keep(std::vector<JobResult> results, std::span<PendingDelivery* const> done);
  void save_kept_results(Time now);

  void commit(std::vector<Exchange>& exchanges, const SnapshotResult& snapshot, Time now);
  Exchange conclude(Admissible& admissible, Admission admission, const Snapshot& snapshot,
                    Time now);
  Exchange conclude_new(Admissible& admissible, Admission admission, const Snapshot& snapshot,
                        Time now);

  std::vector<Handled> respond(std::vector<Exchange> exchanges, Time now);
  Answered conclude(PendingDelivery& delivery, SavedResult saved, const Snapshot& snapshot,
                    Time now);

  Answered fail(Requester& requester, const std::exception& fault);
  void write_log(Answered& answered, Time now);
  // Raises the alarm about a row that no handler can be given.
  void report_unusable(std::int64_t number, Time now);
  // A fault means that nothing which this process knows of the home is trusted any more.
  void drop_resources_after_fault();

  SettingTexts texts_;
  WorkerPool& pool_;
  std::size_t max_body_;
  Log log_;
  std::unique_ptr<Resources> resources_;
  bool has_failed_ = false;  // in this batch
  SessionCache sessions_;
  Housekeeping housekeeping_;
  Time claimed_at_{};
  // Results that could not be saved, and the marks that keep their messages from other handlers.
  std::vector<JobResult> kept_results_;
  std::vector<DeliveriesAtWork::Mark> kept_marks_;
  std::chrono::steady_clock::time_point kept_results_tried_at_{};
};

}  // namespace sealpost
