#include "client/sender.h"

#include <algorithm>
#include <utility>

#include "client/outcome.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

using Kind = Outcome::Kind;

constexpr int kTries = 8;
constexpr int kTriesForOlder = 2;  // the second helps if the first has renewed session or clock
constexpr Milliseconds kFirstPause{100};
constexpr Milliseconds kLongestPause = 5 * kSecond;
constexpr Milliseconds kPromptAnswer = 30 * kSecond;  // a later answer does not set the clock
constexpr Time kNoClock =
    time_from_ms(std::uint64_t{1} << 62);     // signed sums of this and later times would overflow
constexpr std::uint32_t kMinMaxBody = 4'096;  // every gateway accepts a form of this size
constexpr int kUnsealedLimit = 2;  // after as many unsealed answers the session is doubtful

// Doubles from try to try.  A random quarter more or less keeps clients from retrying together.
Milliseconds pause_before(int attempt) {
  const Milliseconds pause =
      std::min(kFirstPause * (1 << std::min(attempt - 1, 10)), kLongestPause);
  return pause * 3 / 4 + pause / 2 * crypto::random_array<1>()[0] / 255;
}

// What the body of `too_large` says.
std::string limit_in(const Answer& answer) {
  if (answer.status != Status::kTooLarge || answer.body.size() != 8) return "";
  return " It accepts at most " + std::to_string(Reader(answer.body).u64()) + " bytes.";
}

}  // namespace

Sender::Sender(const Outbox& outbox, Environment environment)
    : outbox_(outbox),
      environment_(std::move(environment)),
      credential_(outbox.credential()),
      state_(outbox.state()) {
  for (const Outbox::Entry& entry : outbox_.entries()) {
    if (entry.counter) state_.next = std::max(state_.next, *entry.counter + 1);
  }
}

Outcome Sender::connect() {
  return retry(kTries, [&] { return post_handshake(); });
}

Outcome Sender::deliver(Outbox::Entry own) {
  for (Outbox::Entry& entry : outbox_.entries()) {
    if (entry.file == own.file) break;
    Outcome outcome = send(entry, kTriesForOlder);
    outcome = if_kept(entry, std::move(outcome));
    report_older(entry, outcome);
    // The next message would not reach the server either.
    if (outcome.status == Outcome::Status::kNetwork) return outcome;
  }
  is_awaited_ = true;
  Outcome outcome = send(own, kTries);
  return if_kept(own, std::move(outcome));
}

Outcome Sender::deliver_all() {
  Outcome worst = outcome_of(Kind::kAccepted, Status::kAccepted);
  for (Outbox::Entry& entry : outbox_.entries()) {
    Outcome outcome = send(entry, kTries);
    outcome = if_kept(entry, std::move(outcome));
    report_older(entry, outcome);
    const bool unreachable =
        outcome.status == Outcome::Status::kNetwork || environment_.left() == Milliseconds{0};
    if (settled_) environment_.restart_time();
    if (severity(outcome) > severity(worst)) worst = std::move(outcome);
    if (unreachable) break;
  }
  return worst;
}

Outcome Sender::deliver_or_drop(Outbox::Entry own) {
  is_awaited_ = true;
  Outcome outcome = send(own, kTries);
  return settled_ ? outcome : close(own, std::move(outcome));
}

Outcome Sender::send(Outbox::Entry& entry, int tries) {
  unsealed_answers_ = 0;
  session_renewed_ = settled_ = false;
  std::optional<Message> message = outbox_.read(entry);
  if (!message) return drop_damaged(entry);
  message_ = std::move(*message);
  if (!entry.counter) {
    Outcome assigned = assign_counter(entry, tries);
    if (!entry.counter) return assigned;
  }
  return retry(tries, [&] { return post_message(entry); });
}

Outcome Sender::retry(int tries, const std::function<Try()>& attempt) const {
  Try last{open_outcome(Outcome::Status::kStored, "No time is left to send it.")};
  if (environment_.left() == Milliseconds{0}) return last.outcome;
  bool skipped_pause = false;
  for (int number = 0; number < tries; ++number) {
    if (number > 0) {
      // Only one pause is skipped, so that a server is not flooded.
      const bool skip = last.at_once && !skipped_pause;
      if (!skip && !pause(pause_before(number))) break;
      skipped_pause = skipped_pause || skip;
    }
    last = attempt();
    if (!last.again) break;
  }
  return last.outcome;
}

bool Sender::pause(Milliseconds time) const {
  if (environment_.left() <= time) return false;
  if (time >= kSecond) {
    environment_.progress("The next try is in " + std::to_string(time / kSecond) + " s.");
  }
  environment_.sleep(time);
  return true;
}

// Assigns a counter only in a session, because the handshake tells whether this state is an old
// copy.  A message without a counter can then be sent by a new installation.  The server cannot
// tell a copy made during the current session: that copy's first message gets `conflict`.
Outcome Sender::assign_counter(Outbox::Entry& entry, int tries) {
  const auto new_session = [&] { return retry(tries, [&] { return post_handshake(); }); };
  if (!in_session() || session_doubtful_) {
    Outcome outcome = new_session();
    if (outcome.kind != Kind::kAccepted) return outcome;
  }
  const std::uint64_t oldest = oldest_open(kCounterEnd);
  if (state_.must_reinstall) {
    if (oldest != kCounterEnd) {
      return open_outcome(Outcome::Status::kStored,
                          "Earlier messages are still open and must be sent first.");
    }
    state_.reinstall();
    outbox_.save(state_);
    Outcome outcome = new_session();
    if (outcome.kind != Kind::kAccepted) return outcome;
  }
  if (oldest != kCounterEnd && state_.next >= oldest + kWindow) {
    return open_outcome(
        Outcome::Status::kStored,
        "A message sent 1,024 messages before is still open and must be sent first.");
  }
  entry = outbox_.assign_counter(entry, state_.next);
  message_.counter = state_.next++;
  return {};
}

Sender::Try Sender::post_message(Outbox::Entry& entry) {
  if (!in_session() || session_doubtful_) {
    Try handshake = post_handshake();
    // If no new session can be started, the doubtful one may still work.
    const bool go_on = handshake.outcome.kind == Kind::kOpen && in_session() && !handshake.at_once;
    if (handshake.outcome.kind != Kind::kAccepted && !go_on) {
      return {of_message(std::move(handshake.outcome), entry.may_have_been_sent), handshake.again,
              handshake.at_once};
    }
    session_doubtful_ = false;
  }
  const Envelope envelope = seal(entry);
  const std::string form = envelope.form();
  if (form.size() > state_.session->max_body) return handle_too_large(entry, form.size());
  entry.may_have_been_sent = true;
  const Time asked_at = environment_.now();
  const HttpAnswer http = environment_.post(form);
  const std::optional<Answer> answer = open_answer(
      state_.session->keys.s2c, crypto::sha256({envelope.message}), bytes_of(http.body));
  if (!answer) {
    const bool at_once = handle_unsealed_answer(http.status, form.size());
    return {unsealed(http, form.size()), true, at_once};
  }
  update_clock(asked_at, answer->server_time);
  keep_highest_receipt(answer->receipt);
  state_.session->worked = true;
  session_taken_over_ = false;
  return handle_answer(entry, *answer);
}

Envelope Sender::seal(const Outbox::Entry& entry) const {
  Envelope clear;
  if (environment_.clear_fields) {
    clear.name = credential_.name;
    clear.key_use_hmac = credential_.key_use_hmac;
  }
  const ClaimsProof proof{state_.receipt, credential_.claims, credential_.key_use_hmac};
  return seal_record(state_.session->keys.c2s, state_.session->id, crypto::random_array<32>(),
                     std::move(clear), message_, proof, server_now(), oldest_open(*entry.counter));
}

// The operator may have raised the limit since the session was started.  So the message is only too
// large if this sender has started the session.  If the message may have been sent before, it is
// not rejected: no sealed answer says that the server did not act on it.
Sender::Try Sender::handle_too_large(const Outbox::Entry& entry, std::size_t size) {
  Outcome outcome =
      open_outcome(Outcome::Status::kTooLarge, "The sealed message has " + std::to_string(size) +
                                                   " bytes, but the gateway accepts at most " +
                                                   std::to_string(state_.session->max_body) + ".");
  if (!limit_is_current_) {
    session_doubtful_ = true;
    return {std::move(outcome), true, true};
  }
  outcome.kind = entry.may_have_been_sent ? Kind::kUnknown : Kind::kRejected;
  if (entry.may_have_been_sent) {
    outcome.reason += " It is unknown whether the server acted on the message before.";
  }
  return {keep_aside(entry, std::move(outcome))};
}

// A gateway answers 403 if it does not know the session.  A web server may reject a form for its
// size, and a new session tells whether the gateway now has a lower limit.  Two other unsealed
// answers may be a 403 that the web server has replaced, but not if the session is new.
bool Sender::handle_unsealed_answer(int http_status, std::size_t size) {
  const bool rejected = http_status == 403;
  const bool size_rejected =
      http_status == 413 || (http_status == 500 && size > kAlwaysAcceptedSize);
  const bool limit_may_be_lower = size_rejected && !limit_is_current_;
  const bool repeated = http_status != 0 && ++unsealed_answers_ == kUnsealedLimit;
  session_taken_over_ = session_taken_over_ || (rejected && state_.session->worked);
  session_doubtful_ = rejected || limit_may_be_lower || (repeated && !session_renewed_);
  return rejected || limit_may_be_lower;
}

// PROTOCOL 6, "Status": the client's column.
Sender::Try Sender::handle_answer(const Outbox::Entry& entry, const Answer& answer) {
  const auto closed = [&](Kind kind) -> Try {
    Outcome outcome = outcome_of(kind, answer.status);
    outcome.body = text_of(answer.body);
    if (!is_awaited_) keep_reply(entry, outcome);
    return {close(entry, std::move(outcome))};
  };
  const auto kept = [&](Kind kind) -> Try {
    Outcome outcome = outcome_of(kind, answer.status);
    outcome.reason += limit_in(answer);
    return {keep_aside(entry, std::move(outcome))};
  };
  switch (answer.status) {
    case Status::kAccepted:
    case Status::kDuplicate:
      return closed(Kind::kAccepted);
    case Status::kForbidden:
    case Status::kNoRoute:
    case Status::kTooLarge:
      return kept(Kind::kRejected);
    case Status::kMalformed:
    case Status::kWithdrawn:
      return closed(Kind::kRejected);
    case Status::kFailed:
      return closed(Kind::kFailed);
    case Status::kConflict:
      state_.must_reinstall = true;
      return kept(Kind::kUnknown);
    case Status::kTooOld:
      return kept(Kind::kUnknown);
    case Status::kSuspended:
      return closed(Kind::kUnknown);
    case Status::kRevoked:
      end_session();
      return {of_message(outcome_of(Kind::kRejected, answer.status), entry.may_have_been_sent)};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer.status), true, true};
    case Status::kInProgress:
    case Status::kUnavailable:
      break;
  }
  return {outcome_of(Kind::kOpen, answer.status), true};
}

Sender::Try Sender::post_handshake() {
  ClientHandshake call(credential_, state_.install_nonce, state_.receipt, server_now(),
                       environment_.clear_fields, crypto::random_key());
  const Time asked_at = environment_.now();
  const std::string form = call.envelope().form();
  const HttpAnswer http = environment_.post(form);
  const std::optional<ClientHandshake::Answer> answer = call.finish(bytes_of(http.body));
  if (!answer) return {unsealed(http, form.size()), true, http.status == 403};
  if (answer->grant && answer->grant->max_body < kMinMaxBody) {
    return {
        open_outcome(Outcome::Status::kNetwork,
                     "The gateway accepts only " + std::to_string(answer->grant->max_body) +
                         " bytes, less than any gateway should. Client and server are of different "
                         "versions."),
        true};
  }
  update_clock(asked_at, answer->server_time);
  switch (answer->status) {
    case Status::kAccepted:
      start_session(*answer);
      return {outcome_of(Kind::kAccepted, answer->status)};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer->status), true, true};
    case Status::kUnavailable:
      return {outcome_of(Kind::kOpen, answer->status), true};
    case Status::kRevoked:
      end_session();
      return {outcome_of(Kind::kRejected, answer->status)};
    default:
      return {outcome_of(Kind::kRejected, answer->status)};
  }
}

void Sender::start_session(const ClientHandshake::Answer& answer) {
  const SessionGrant& grant = *answer.grant;
  if (grant.epoch != state_.epoch) {
    state_.epoch = grant.epoch;
    state_.receipt = {};
    session_taken_over_ = false;  // a new epoch ended all sessions
  }
  keep_highest_receipt(grant.receipt);
  if (grant.receipt.next > state_.next && !state_.must_reinstall) {
    state_.must_reinstall = true;
    environment_.report(
        "This client's state is older than the server's: it is a restored copy, or two programs "
        "use "
        "it. The client continues as a new installation.");
  }
  if (session_taken_over_) note_takeover();
  state_.session = ClientSession{grant.session_id,
                                 {answer.keys->c2s.clone(), answer.keys->s2c.clone()},
                                 grant.expires_at,
                                 grant.max_body};
  limit_is_current_ = session_renewed_ = true;
  session_doubtful_ = false;
  outbox_.save(state_);
}

void Sender::note_takeover() {
  session_taken_over_ = false;
  state_.takeovers = {state_.takeovers[1], environment_.now()};
  if (state_.takeovers[0] == Time{}) return;
  if (distance(state_.takeovers[0], state_.takeovers[1]) > kHour) return;
  environment_.report(
      "Another program has taken over this client's session twice within an hour: the credential "
      "is in use elsewhere.");
}

// Called when the client is revoked.  Without a session no other message gets a counter, so a new
// credential can take those messages over.
void Sender::end_session() {
  state_.session.reset();
  outbox_.save(state_);
}

// The counter of a message that has one stays used.
Outcome Sender::drop_damaged(const Outbox::Entry& entry) {
  if (entry.counter) outbox_.save(state_);
  settled_ = true;
  return open_outcome(Outcome::Status::kDamaged, "The message's file was damaged. It is now " +
                                                     outbox_.move_to_damaged(entry) +
                                                     ", and is not sent.");
}

// A client that is rejected has settled no message: each waits for another credential.
Outcome Sender::if_kept(const Outbox::Entry& entry, Outcome outcome) const {
  if (settled_ || outcome.kind != Kind::kRejected) return outcome;
  outcome = of_message(std::move(outcome), entry.may_have_been_sent);
  outcome.kind = Kind::kOpen;
  outcome.reason += " The message is kept.";
  return outcome;
}

Outcome Sender::keep_aside(const Outbox::Entry& entry, Outcome outcome) {
  if (entry.is_ping) return close(entry, std::move(outcome));
  settled_ = true;
  const std::string name = outbox_.keep_aside(entry, state_, outcome);
  outcome.reason += " It is kept as rejected message " + name + ".";
  return outcome;
}

void Sender::keep_reply(const Outbox::Entry& entry, Outcome& outcome) const {
  if (outcome.body.empty()) return;
  const std::string name =
      Rejected::name_of(state_.generation, state_.install_nonce, *entry.counter);
  outbox_.replies().keep({name, message_.topic, outcome.body});
  outcome.body.clear();
}

// Saves the state, with the counter used, before it deletes the message.
Outcome Sender::close(const Outbox::Entry& entry, Outcome outcome) {
  settled_ = true;
  outbox_.save(state_);
  outbox_.remove(entry);
  return outcome;
}

void Sender::report_older(const Outbox::Entry& entry, const Outcome& outcome) const {
  if (outcome.kind == Kind::kAccepted) return;
  const std::string which =
      entry.counter ? "Message " + std::to_string(*entry.counter) : "A stored message";
  environment_.report(which + ": " + std::string(name_of(outcome.status)) + ": " + outcome.reason);
}

void Sender::update_clock(Time asked_at, Time server_time) {
  const Time now = environment_.now();
  if (now < asked_at || now - asked_at > kPromptAnswer || server_time >= kNoClock) return;
  state_.offset = ClockOffset(static_cast<std::int64_t>(to_ms(server_time)) -
                              static_cast<std::int64_t>(to_ms(now)));
}

void Sender::keep_highest_receipt(const Receipt& receipt) {
  if (receipt.next > state_.receipt.next) state_.receipt = receipt;
}

Time Sender::server_now() const {
  const std::int64_t now =
      static_cast<std::int64_t>(to_ms(environment_.now())) + state_.offset.count();
  return now < 0 ? Time{} : time_from_ms(static_cast<std::uint64_t>(now));
}

bool Sender::in_session() const {
  return state_.session && server_now() < state_.session->expires_at;
}

std::uint64_t Sender::oldest_open(std::uint64_t otherwise) const {
  const std::vector<Outbox::Entry> entries = outbox_.entries();
  const bool numbered = !entries.empty() && entries.front().counter;
  return numbered ? *entries.front().counter : otherwise;
}

}  // namespace sealpost
