// The walk of a message through the house: what comes in, in which order it is checked, what goes
// out.  The checks stand here in the order of PROTOCOL 4, 5 and 6, and nothing else does.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gateway/house.h"
#include "gateway/request.h"
#include "protocol/installation.h"

namespace sealpost {

// One gateway serves one set of settings, in one thread.
class Gateway {
 public:
  explicit Gateway(SettingTexts texts);

  // How much of a body the transport need read: one byte more is too large.
  [[nodiscard]] std::size_t max_body() const { return max_body_; }

  // Answers a batch, in its order: all messages in it that are new become durable together, and no
  // answer says so before they are.  Never throws: a fault of ours is logged and answered with 503.
  [[nodiscard]] std::vector<Response> handle(std::span<const Request> batch, Time now);

  // Adds what was refused since the last time to the database, at most every 10 s unless `at_exit`.
  void write_tally(Time now, bool at_exit);
  [[nodiscard]] bool has_tally() const { return !tally_.empty(); }

  // Leaves the database so that the next process starts fast.  For CGI, once the answer has gone.
  void trim();

 private:
  struct Visit;

  void receive(Visit& visit, Time now);
  void handshake(Visit& visit, Time now);
  void record(Visit& visit, Time now);
  void admit(std::deque<Visit>& visits, Time now);
  void settle(Visit& visit, const Admission& admission, Time now);
  void answer_sealed(Visit& visit, Status status, std::string_view reason, Time now,
                     const Receipt& receipt = {});
  void note(Visit& visit, Time now);
  template <class Work>
  void guarded(Visit& visit, Work work);
  void fail(Visit& visit, const std::exception& fault);

  House& house();

  SettingTexts texts_;
  Settings settings_;
  std::size_t max_body_;
  Journal journal_;
  std::unique_ptr<House> house_;
  Tally tally_;
  Time tally_written_at_ = 0;
};

}  // namespace sealpost
