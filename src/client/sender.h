// Carries messages until only a sealed answer, or the end of patience, lets go of them: the
// client's column of PROTOCOL 6.  Everything outside comes in as arguments: network, clock, sleep.
#pragma once

#include <functional>
#include <string>

#include "client/http.h"
#include "client/outbox.h"
#include "protocol/handshake.h"
#include "sealpost/client.h"

namespace sealpost {

class Sender {
 public:
  struct World {
    Post post;
    std::function<Time()> now;
    std::function<void(Milliseconds)> sleep;
    std::function<void(const std::string&)> report;
    bool clear_fields = false;
  };

  // `outbox` must be installed, and locked by this process.
  Sender(const Outbox& outbox, World world);

  // Makes a new session.  kAccepted, or why there is none.
  Outcome connect();

  // Delivers a message, after those that were open before it, which get a short try each.
  Outcome deliver(Outbox::Entry own);
  // Delivers all there is, with patience for each.  The worst outcome of all.
  Outcome deliver_all();
  // Delivers a message that is let go of whatever becomes of it, its counter used up.
  Outcome deliver_or_drop(Outbox::Entry own);

 private:
  // How one try ended.
  struct Try {
    Outcome outcome;
    bool again = false;    // another one may help
    bool at_once = false;  // and need not wait
  };

  Outcome carry(Outbox::Entry& entry, int tries);
  Outcome persist(int tries, const std::function<Try()>& once) const;
  Outcome give_number(Outbox::Entry& entry, int tries);
  Try attempt(Outbox::Entry& entry);
  Envelope seal(const Outbox::Entry& entry) const;
  Try handshake();
  Try judge(const Outbox::Entry& entry, const Answer& answer);
  Outcome settle(const Outbox::Entry& entry, Outcome outcome);
  void report_older(const Outbox::Entry& entry, const Outcome& outcome) const;

  Try too_large(const Outbox::Entry& entry, std::size_t size);
  // Whether an unsealed answer is a reason for a new session, and one not to wait for it.
  bool doubt(int http_status, std::size_t size);
  void begin_session(const ClientHandshake::Answer& answer);
  void end_session();
  void learn_clock(Time asked_at, Time server_time);
  void learn_receipt(const Receipt& receipt);
  [[nodiscard]] Time server_now() const;
  [[nodiscard]] bool in_session() const;
  // The lowest counter that is open; `otherwise` if none is.
  [[nodiscard]] std::uint64_t oldest_open(std::uint64_t otherwise) const;

  const Outbox& outbox_;
  World world_;
  Credential credential_;
  ClientState state_;
  bool knows_size_ = false;  // a session was begun by this sender: it says what is taken now
  bool doubted_ = false;     // the session may be dead: another one first, if it is to be had
  bool replaced_ = false;    // a session that had worked was refused, and no other has begun since
  // Of the message that is carried now:
  int unsealed_ = 0;      // answers
  bool renewed_ = false;  // a session was begun for it
};

}  // namespace sealpost
