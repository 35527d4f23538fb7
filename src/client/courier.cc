#include "client/courier.h"

#include <algorithm>
#include <utility>

#include "client/words.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

using Kind = Outcome::Kind;

constexpr int kTries = 8;
constexpr int kTriesForOlder = 2;  // one, and one more where the first taught us something
constexpr Milliseconds kFirstRest = 100;
constexpr Milliseconds kLongestRest = 5 * kSecond;
constexpr Milliseconds kPromptAnswer = 30 * kSecond;  // a later one says nothing of the clock

// Doubled from try to try, and a quarter more or less, so that clients do not come in step.
Milliseconds rest_before(int attempt) {
  const Milliseconds rest = std::min(kFirstRest << std::min(attempt - 1, 10), kLongestRest);
  return rest * 3 / 4 + rest / 2 * crypto::random_array<1>()[0] / 255;
}

}  // namespace

Courier::Courier(const Outbox& outbox, World world)
    : outbox_(outbox),
      world_(std::move(world)),
      credential_(outbox.credential()),
      state_(outbox.state()) {
  for (const Outbox::Entry& entry : outbox_.entries()) {
    if (entry.counter) state_.next = std::max(state_.next, *entry.counter + 1);
  }
}

Outcome Courier::connect() {
  return persist(kTries, [&] { return handshake(); });
}

Outcome Courier::deliver(Outbox::Entry own) {
  for (Outbox::Entry& entry : outbox_.entries()) {
    if (entry.file == own.file) break;
    Outcome outcome = carry(entry, kTriesForOlder);
    report_older(entry, outcome);
    if (outcome.status == "network") return outcome;  // it would be no better for `own`
  }
  return carry(own, kTries);
}

Outcome Courier::deliver_all() {
  Outcome worst{Kind::kAccepted, "accepted", "", ""};
  for (Outbox::Entry& entry : outbox_.entries()) {
    Outcome outcome = carry(entry, kTries);
    report_older(entry, outcome);
    const bool alone = outcome.status == "network";
    if (badness(outcome) > badness(worst)) worst = std::move(outcome);
    if (alone) break;
  }
  return worst;
}

Outcome Courier::deliver_or_drop(Outbox::Entry own) {
  Outcome outcome = carry(own, kTries);
  return outcome.kind == Kind::kOpen ? settle(own, std::move(outcome)) : outcome;
}

// Sees one message through, as far as `tries` go.
Outcome Courier::carry(Outbox::Entry& entry, int tries) {
  if (!entry.counter) {
    Outcome numbered = give_number(entry, tries);
    if (!entry.counter) return numbered;
  }
  return persist(tries, [&] { return attempt(entry); });
}

Outcome Courier::persist(int tries, const std::function<Try()>& once) const {
  Try last;
  bool hurried = false;
  for (int attempt = 0; attempt < tries; ++attempt) {
    if (attempt > 0) {
      // Once, where something was learned that should help; after that a hurry would be a hammer.
      const bool hurry = last.at_once && !hurried;
      if (!hurry) world_.sleep(rest_before(attempt));
      hurried = hurried || hurry;
    }
    last = once();
    if (!last.again) break;
  }
  return last.outcome;
}

// A counter is given in a session only: the handshake tells whether this state is an old copy, and
// then a message that has never left can still get a counter of a new installation.
Outcome Courier::give_number(Outbox::Entry& entry, int tries) {
  const auto session = [&] { return persist(tries, [&] { return handshake(); }); };
  if (!in_session()) {
    Outcome outcome = session();
    if (outcome.kind != Kind::kAccepted) return outcome;
  }
  const std::uint64_t oldest = oldest_open(kCounterEnd);
  if (state_.leave) {
    if (oldest != kCounterEnd) {
      return {Kind::kOpen, "stored", "earlier messages must be settled before it", ""};
    }
    state_.reinstall();
    outbox_.save(state_);
    Outcome outcome = session();
    if (outcome.kind != Kind::kAccepted) return outcome;
  }
  if (oldest != kCounterEnd && state_.next >= oldest + kWindow) {
    return {Kind::kOpen, "stored", "1,024 messages after one that is still open: that one first",
            ""};
  }
  entry = outbox_.number(entry, state_.next);
  ++state_.next;
  return {};
}

Courier::Try Courier::attempt(const Outbox::Entry& entry) {
  if (!in_session()) {
    Try shaken = handshake();
    if (shaken.outcome.kind != Kind::kAccepted) return shaken;
  }
  const ClientSession& session = *state_.session;
  Envelope clear;
  if (world_.clear_fields) {
    clear.name = credential_.name;
    clear.key_use_hmac = credential_.key_use_hmac;
  }
  const Statement statement{state_.receipt, credential_.claims, credential_.key_use_hmac};
  const Envelope envelope =
      seal_record(session.keys.c2s, session.id, crypto::random_array<32>(), std::move(clear),
                  outbox_.read(entry), statement, server_now(), oldest_open(*entry.counter));
  const std::string form = envelope.form();
  if (form.size() > session.max_body) {
    return {settle(entry, {Kind::kRefused, "too_large",
                           "sealed it has " + std::to_string(form.size()) +
                               " bytes, and the gateway takes " + std::to_string(session.max_body),
                           ""})};
  }
  const Time asked_at = world_.now();
  const HttpAnswer http = world_.post(form);
  const Result<Answer> answer =
      open_answer(session.keys.s2c, crypto::sha256({envelope.message}), bytes_of(http.body));
  if (!answer) {
    const bool lost = http.status == 403;
    const bool outgrown = may_be_too_large(http.status, form.size());
    if (lost) lose_session();
    if (outgrown) state_.session.reset();
    return {unsealed(http, form.size()), true, lost || outgrown};
  }
  learn_clock(asked_at, answer->server_time);
  learn_receipt(answer->receipt);
  state_.session->worked = true;
  return judge(entry, *answer);
}

// Whether a web server may have minded a form's size, and asking the gateway once more what it
// takes may tell: the operator may have set it since the session began.
bool Courier::may_be_too_large(int http_status, std::size_t size) {
  const bool may_be = http_status == 413 || (http_status == 500 && size > kSurelySmall);
  return may_be && !std::exchange(asked_size_, true);
}

// PROTOCOL 6, "Status": the client's column.
Courier::Try Courier::judge(const Outbox::Entry& entry, const Answer& answer) {
  const auto settled = [&](Kind kind) -> Try {
    Outcome outcome = outcome_of(kind, answer.status);
    outcome.body = text_of(answer.body);
    return {settle(entry, std::move(outcome))};
  };
  switch (answer.status) {
    case Status::kAccepted:
    case Status::kDuplicate:
      return settled(Kind::kAccepted);
    case Status::kForbidden:
    case Status::kMalformed:
    case Status::kFailed:
      return settled(Kind::kRefused);
    case Status::kConflict:
      state_.leave = true;
      return settled(Kind::kUnknown);
    case Status::kTooOld:
      return settled(Kind::kUnknown);
    case Status::kRevoked:
      // No other message shall get a number in it: without one, a new credential takes it over.
      state_.session.reset();
      outbox_.save(state_);
      return {outcome_of(Kind::kRefused, answer.status)};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer.status), true, true};
    case Status::kInProgress:
    case Status::kUnavailable:
      break;
  }
  return {outcome_of(Kind::kOpen, answer.status), true};
}

Courier::Try Courier::handshake() {
  HandshakeCall call(credential_, state_.install_nonce, state_.receipt, server_now(),
                     world_.clear_fields, crypto::random_key());
  const Time asked_at = world_.now();
  const std::string form = call.envelope().form();
  const HttpAnswer http = world_.post(form);
  const Result<HandshakeCall::Answer> answer = call.finish(bytes_of(http.body));
  if (!answer) return {unsealed(http, form.size()), true, http.status == 403};
  learn_clock(asked_at, answer->server_time);
  switch (answer->status) {
    case Status::kAccepted:
      begin_session(*answer);
      return {outcome_of(Kind::kAccepted, answer->status)};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer->status), true, true};
    case Status::kUnavailable:
      return {outcome_of(Kind::kOpen, answer->status), true};
    default:
      return {outcome_of(Kind::kRefused, answer->status)};
  }
}

void Courier::begin_session(const HandshakeCall::Answer& answer) {
  const Welcome& welcome = *answer.welcome;
  if (welcome.epoch != state_.epoch) {
    state_.epoch = welcome.epoch;
    state_.receipt = {};
    replaced_ = false;  // the server ended all sessions, nobody took this one
  }
  learn_receipt(welcome.receipt);
  if (welcome.receipt.next > state_.next && !state_.leave) {
    state_.leave = true;
    world_.report(
        "this client's state is older than what the server has counted: it is a restored copy, or "
        "used "
        "twice; it goes on as a new installation");
  }
  if (replaced_) {
    replaced_ = false;
    state_.lost = {state_.lost[1], world_.now()};
    if (state_.lost[0] != 0 && distance(state_.lost[0], state_.lost[1]) <= kHour) {
      world_.report(
          "another program has taken this client's session twice within an hour: its credential is "
          "in "
          "use elsewhere");
    }
  }
  state_.session = ClientSession{welcome.session_id,
                                 {answer.keys->c2s.clone(), answer.keys->s2c.clone()},
                                 welcome.expires_at,
                                 welcome.max_body};
  outbox_.save(state_);
}

void Courier::lose_session() {
  replaced_ = replaced_ || state_.session->worked;
  state_.session.reset();
}

// The state, with the counter used, is on disk before the message is gone.
Outcome Courier::settle(const Outbox::Entry& entry, Outcome outcome) {
  outbox_.save(state_);
  outbox_.remove(entry);
  return outcome;
}

void Courier::report_older(const Outbox::Entry& entry, const Outcome& outcome) const {
  if (outcome.kind == Kind::kAccepted) return;
  const std::string which =
      entry.counter ? "message " + std::to_string(*entry.counter) : "a stored message";
  world_.report("an earlier one, " + which + ": " + outcome.status + ", " + outcome.reason);
}

void Courier::learn_clock(Time asked_at, Time server_time) {
  const Time now = world_.now();
  if (now < asked_at || now - asked_at > kPromptAnswer) return;
  state_.offset = static_cast<std::int64_t>(server_time) - static_cast<std::int64_t>(now);
}

void Courier::learn_receipt(const Receipt& receipt) {
  if (receipt.next > state_.receipt.next) state_.receipt = receipt;
}

Time Courier::server_now() const {
  const std::int64_t now = static_cast<std::int64_t>(world_.now()) + state_.offset;
  return now < 0 ? 0 : static_cast<Time>(now);
}

bool Courier::in_session() const {
  return state_.session && server_now() < state_.session->expires_at;
}

std::uint64_t Courier::oldest_open(std::uint64_t otherwise) const {
  const std::vector<Outbox::Entry> entries = outbox_.entries();
  const bool numbered = !entries.empty() && entries.front().counter;
  return numbered ? *entries.front().counter : otherwise;
}

}  // namespace sealpost
