// Sends the messages of an outbox until each has a sealed answer or the tries are used up: the
// client's column of PROTOCOL 6.  Network, clock and sleep are arguments.
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
  struct Environment {
    Post post;
    std::function<Time()> now;
    std::function<void(Milliseconds)> sleep;
    std::function<void(const std::string&)> report;
    bool clear_fields = false;
    // Of the command's time; 0 if it is up.  After that nothing new is sent.
    std::function<Milliseconds()> left = [] { return Milliseconds::max(); };
    // Gives the command its whole time again.  deliver_all() calls it for each settled message.
    std::function<void()> restart_time = [] {};
    // Receives a sentence before a pause of a second or more.
    std::function<void(const std::string&)> progress = [](const std::string&) {};
  };

  // `outbox` must be installed, and locked by this process.
  Sender(const Outbox& outbox, Environment environment);

  // Starts a new session.  Returns kAccepted, or why there is none.
  Outcome connect();

  // Sends a message, after the messages that were open before it, which get few tries each.
  Outcome deliver(Outbox::Entry own);
  // Sends all open messages, with all tries for each.  Returns the worst outcome.
  Outcome deliver_all();
  // Sends a message and deletes it from the outbox, whatever the outcome.
  Outcome deliver_or_drop(Outbox::Entry own);

 private:
  // The result of one try.
  struct Try {
    Outcome outcome;
    bool again = false;    // another try may help
    bool at_once = false;  // without a pause before it
  };

  Outcome send(Outbox::Entry& entry, int tries);
  Outcome retry(int tries, const std::function<Try()>& attempt) const;
  // Sleeps before another try.  Returns false if the command's time does not last that long.
  [[nodiscard]] bool pause(Milliseconds time) const;
  Outcome assign_counter(Outbox::Entry& entry, int tries);
  Try post_message(Outbox::Entry& entry);
  Envelope seal(const Outbox::Entry& entry) const;
  Try post_handshake();
  Try handle_answer(const Outbox::Entry& entry, const Answer& answer);
  Try handle_too_large(const Outbox::Entry& entry, std::size_t size);
  // Decides whether the session may have ended.  Returns whether to try again without a pause.
  bool handle_unsealed_answer(int http_status, std::size_t size);
  // What becomes of a message whose file is damaged: it is moved away and never sent.
  Outcome drop_damaged(const Outbox::Entry& entry);
  // Adds that the message is kept, if it still is in the outbox.
  Outcome if_kept(const Outbox::Entry& entry, Outcome outcome) const;
  // Moves a settled message to rejected/.
  Outcome keep_aside(const Outbox::Entry& entry, Outcome outcome);
  // Keeps a reply that nobody waits for.  After that it is no longer in the outcome.
  void keep_reply(const Outbox::Entry& entry, Outcome& outcome) const;
  Outcome close(const Outbox::Entry& entry, Outcome outcome);
  void report_older(const Outbox::Entry& entry, const Outcome& outcome) const;

  void start_session(const ClientHandshake::Answer& answer);
  void note_takeover();
  void end_session();
  void update_clock(Time asked_at, Time server_time);
  void keep_highest_receipt(const Receipt& receipt);
  [[nodiscard]] Time server_now() const;
  [[nodiscard]] bool in_session() const;
  // The lowest counter of an open message; `otherwise` if no message has a counter.
  [[nodiscard]] std::uint64_t oldest_open(std::uint64_t otherwise) const;

  const Outbox& outbox_;
  Environment environment_;
  Credential credential_;
  ClientState state_;
  bool limit_is_current_ = false;    // this sender started the session, which names max_body
  bool session_doubtful_ = false;    // the session may have ended: try to start another first
  bool session_taken_over_ = false;  // the gateway rejected a session that had worked
  // About the message that is being sent:
  Message message_{};
  bool is_awaited_ = false;  // the caller gets its reply
  bool settled_ = false;     // it is no longer in the outbox
  int unsealed_answers_ = 0;
  bool session_renewed_ = false;  // a session was started for it
};

}  // namespace sealpost
