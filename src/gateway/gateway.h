// The walk of a message through the house: what comes in, in which order it is checked, what goes
// out.  The checks stand here in the order of PROTOCOL 4, 5 and 6, and nothing else does.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gateway/pending_delivery.h"
#include "gateway/request.h"
#include "gateway/resources.h"
#include "gateway/session_cache.h"
#include "protocol/handshake.h"

namespace sealpost {

// What became of a request: its answer, or a handler that must be waited for.
struct Handled {
  std::optional<Response> response;
  std::shared_ptr<PendingDelivery> delivery;  // if and only if there is no answer yet
};

// One gateway serves one set of settings, in one thread.
class Gateway {
 public:
  // `pool` gives room to handlers; the caller runs them.
  Gateway(SettingTexts texts, WorkerPool& pool);

  // How much of a body the transport need read: one byte more is too large.
  [[nodiscard]] std::size_t max_body() const { return max_body_; }

  // Answers a batch, in its order: all messages in it that are new become durable together, and no
  // answer says so before they are.  Never throws: a fault of ours is logged and answered with 503.
  [[nodiscard]] std::vector<Handled> handle(std::span<const Request> batch, Time now);

  // Keeps, durably, what handlers have made of messages, and answers those who wait; nothing in the
  // place of one for whom nobody does.  Never throws, either.
  [[nodiscard]] std::vector<std::optional<Response>> finish(
      std::span<const std::shared_ptr<PendingDelivery>> done, Time now);

  // Messages whose handler was cut short and that nobody waits for.  Throws Fault.
  [[nodiscard]] std::vector<std::shared_ptr<PendingDelivery>> claim_overdue(Time now);
  // Whether it is time to look for some: every 10 s.
  [[nodiscard]] bool should_claim_overdue(Time now) const;

  // What need not be done while somebody waits, at most every so often unless `at_exit`: adds what
  // was refused to the database, every 10 s and only behind a batch that wrote messages; and erases
  // the keys of sessions that have ended, here or in a process that has died since, every 5
  // minutes.
  void tidy(Time now, bool at_exit);
  // Whether there is nothing that must be done soon.
  [[nodiscard]] bool is_tidy() const;

  // Leaves the database so that the next process starts fast.  For CGI, once the answer has gone.
  void trim();

 private:
  struct Visit;

  Decision rule(const OpenedRecord& record, Visit& visit, Time now);
  void receive(Visit& visit, Time now);
  void handshake(Visit& visit, Time now);
  void record(Visit& visit, Time now);
  void admit(std::deque<Visit>& visits, Time now);
  void settle(Visit& visit, const Admission& admission, Time now);
  void hand_over(Visit& visit, const Admission& admission);
  void conclude(PendingDelivery& delivery, const SavedResult& settled, Time now);
  Receipt receipt_for(const Session& session, const Epoch& epoch, std::uint64_t next);
  void note(Caller& caller, Time now);
  void trim(bool presume_ended_sessions);
  void note_errors(const PendingDelivery& delivery, Time now);
  template <class Work>
  void guarded(Visit& visit, Work work);
  void fail(Caller& caller, const std::exception& fault);

  // The session of a record; null if there is none alive.
  std::shared_ptr<const KnownSession> find_session(const SessionId& id, Time now);

  // Looked over once a batch: what has changed in it since is not seen before the next.
  Resources& house();

  SettingTexts texts_;
  WorkerPool& pool_;
  Settings settings_;
  std::size_t max_body_;
  Log log_;
  std::unique_ptr<Resources> house_;
  bool looked_over_ = false;
  SessionCache sessions_;
  RejectionCounts rejection_counts_;
  bool has_written_ = false;  // messages, since tidy() was last called
  Time tally_written_at_{};
  Time trimmed_at_{};
  bool may_hold_ended_keys_ =
      false;          // of a process, or a house, that may have ended sessions and left their keys
  Time looked_at_{};  // for messages to take up
};

}  // namespace sealpost
