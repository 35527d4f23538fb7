#include "client/sender.h"

#include <algorithm>
#include <utility>

#include "client/outcome.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

using Kind = Outcome::Kind;

constexpr int kTries = 8;
constexpr int kTriesForOlder = 2;  // one, and one more where the first taught us something
constexpr Milliseconds kFirstRest{100};
constexpr Milliseconds kLongestRest = 5 * kSecond;
constexpr Milliseconds kPromptAnswer = 30 * kSecond;  // a later one says nothing of the clock
constexpr Time kNoClock =
    time_from_ms(std::uint64_t{1} << 62);     // from here on signed sums of times would overflow
constexpr std::uint32_t kLeastTaken = 4'096;  // bytes of a form: every gateway takes a handshake
constexpr int kUnsealedEnough = 2;            // answers, to ask for another session

// Doubled from try to try, and a quarter more or less, so that clients do not come in step.
Milliseconds rest_before(int attempt) {
  const Milliseconds rest = std::min(kFirstRest * (1 << std::min(attempt - 1, 10)), kLongestRest);
  return rest * 3 / 4 + rest / 2 * crypto::random_array<1>()[0] / 255;
}

// What refuses the client now says nothing of a message that may have acted before: only an answer
// to the message itself settles that.
Outcome of_message(const Outbox::Entry& entry, Outcome outcome) {
  if (!entry.may_have_left || outcome.kind != Kind::kRefused) return outcome;
  outcome.kind = Kind::kOpen;
  outcome.reason += "; whether the message took effect before is not known";
  return outcome;
}

}  // namespace

Sender::Sender(const Outbox& outbox, World world)
    : outbox_(outbox),
      world_(std::move(world)),
      credential_(outbox.credential()),
      state_(outbox.state()) {
  for (const Outbox::Entry& entry : outbox_.entries()) {
    if (entry.counter) state_.next = std::max(state_.next, *entry.counter + 1);
  }
}

Outcome Sender::connect() {
  return persist(kTries, [&] { return handshake(); });
}

Outcome Sender::deliver(Outbox::Entry own) {
  for (Outbox::Entry& entry : outbox_.entries()) {
    if (entry.file == own.file) break;
    Outcome outcome = carry(entry, kTriesForOlder);
    report_older(entry, outcome);
    if (outcome.status == "network") return outcome;  // it would be no better for `own`
  }
  return carry(own, kTries);
}

Outcome Sender::deliver_all() {
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

Outcome Sender::deliver_or_drop(Outbox::Entry own) {
  Outcome outcome = carry(own, kTries);
  return settle(own, std::move(outcome));  // once more does no harm
}

// Sees one message through, as far as `tries` go.
Outcome Sender::carry(Outbox::Entry& entry, int tries) {
  unsealed_ = 0;
  renewed_ = false;
  if (!entry.counter) {
    Outcome numbered = give_number(entry, tries);
    if (!entry.counter) return numbered;
  }
  return persist(tries, [&] { return attempt(entry); });
}

Outcome Sender::persist(int tries, const std::function<Try()>& once) const {
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
// then a message that has never left can still get a counter of a new installation.  A copy made
// within a session that still lives is told by nobody: its first message meets `conflict`.
Outcome Sender::give_number(Outbox::Entry& entry, int tries) {
  const auto session = [&] { return persist(tries, [&] { return handshake(); }); };
  if (!in_session() || doubted_) {
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

Sender::Try Sender::attempt(Outbox::Entry& entry) {
  if (!in_session() || doubted_) {
    Try shaken = handshake();
    const bool open = shaken.outcome.kind == Kind::kOpen;
    // Where no other session is to be had, one that is only doubted may still carry the message.
    const bool go_on = open && in_session() && !shaken.at_once;
    if (shaken.outcome.kind != Kind::kAccepted && !go_on) {
      shaken.outcome = of_message(entry, std::move(shaken.outcome));
      return shaken;
    }
    doubted_ = false;
  }
  const Envelope envelope = seal(entry);
  const std::string form = envelope.form();
  if (form.size() > state_.session->max_body) return too_large(entry, form.size());
  entry.may_have_left = true;
  const Time asked_at = world_.now();
  const HttpAnswer http = world_.post(form);
  const std::optional<Answer> answer = open_answer(
      state_.session->keys.s2c, crypto::sha256({envelope.message}), bytes_of(http.body));
  if (!answer) return {unsealed(http, form.size()), true, doubt(http.status, form.size())};
  learn_clock(asked_at, answer->server_time);
  learn_receipt(answer->receipt);
  state_.session->worked = true;
  replaced_ = false;
  return judge(entry, *answer);
}

Envelope Sender::seal(const Outbox::Entry& entry) const {
  Envelope clear;
  if (world_.clear_fields) {
    clear.name = credential_.name;
    clear.key_use_hmac = credential_.key_use_hmac;
  }
  const ClaimsProof proof{state_.receipt, credential_.claims, credential_.key_use_hmac};
  return seal_record(state_.session->keys.c2s, state_.session->id, crypto::random_array<32>(),
                     std::move(clear), outbox_.read(entry), proof, server_now(),
                     oldest_open(*entry.counter));
}

// The operator may have set more since the session began, so the verdict falls in one that was
// begun by this sender.  Of a message that may have left it is no rejection: no sealed answer says
// that it took no effect.
Sender::Try Sender::too_large(const Outbox::Entry& entry, std::size_t size) {
  Outcome outcome{Kind::kOpen, "too_large",
                  "sealed it has " + std::to_string(size) + " bytes, and the gateway takes " +
                      std::to_string(state_.session->max_body),
                  ""};
  if (!knows_size_) {
    doubted_ = true;
    return {std::move(outcome), true, true};
  }
  outcome.kind = entry.may_have_left ? Kind::kUnknown : Kind::kRefused;
  if (entry.may_have_left) outcome.reason += "; whether it took effect before will not be known";
  return {settle(entry, std::move(outcome))};
}

// A gateway says 403 where it does not know the session, and a web server may mind a form's size,
// which the gateway itself may know by now.  What else is not sealed, twice, may be a 403 that the
// web server has dressed up; in a session that is new it is not.
bool Sender::doubt(int http_status, std::size_t size) {
  const bool lost = http_status == 403;
  const bool size_minded = http_status == 413 || (http_status == 500 && size > kSurelySmall);
  const bool outgrown = size_minded && !knows_size_;
  const bool twice = http_status != 0 && ++unsealed_ == kUnsealedEnough;
  replaced_ = replaced_ || (lost && state_.session->worked);
  doubted_ = lost || outgrown || (twice && !renewed_);
  return lost || outgrown;
}

// PROTOCOL 6, "Status": the client's column.
Sender::Try Sender::judge(const Outbox::Entry& entry, const Answer& answer) {
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
      end_session();
      return {of_message(entry, outcome_of(Kind::kRefused, answer.status))};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer.status), true, true};
    case Status::kInProgress:
    case Status::kUnavailable:
      break;
  }
  return {outcome_of(Kind::kOpen, answer.status), true};
}

Sender::Try Sender::handshake() {
  ClientHandshake call(credential_, state_.install_nonce, state_.receipt, server_now(),
                       world_.clear_fields, crypto::random_key());
  const Time asked_at = world_.now();
  const std::string form = call.envelope().form();
  const HttpAnswer http = world_.post(form);
  const std::optional<ClientHandshake::Answer> answer = call.finish(bytes_of(http.body));
  if (!answer) return {unsealed(http, form.size()), true, http.status == 403};
  if (answer->grant && answer->grant->max_body < kLeastTaken) {
    return {{Kind::kOpen, "network",
             "the gateway says that it takes " + std::to_string(answer->grant->max_body) +
                 " bytes, less than any gateway does: the two are of different versions",
             ""},
            true};
  }
  learn_clock(asked_at, answer->server_time);
  switch (answer->status) {
    case Status::kAccepted:
      begin_session(*answer);
      return {outcome_of(Kind::kAccepted, answer->status)};
    case Status::kLate:
      return {outcome_of(Kind::kOpen, answer->status), true, true};
    case Status::kUnavailable:
      return {outcome_of(Kind::kOpen, answer->status), true};
    case Status::kRevoked:
      end_session();
      return {outcome_of(Kind::kRefused, answer->status)};
    default:
      return {outcome_of(Kind::kRefused, answer->status)};
  }
}

void Sender::begin_session(const ClientHandshake::Answer& answer) {
  const SessionGrant& grant = *answer.grant;
  if (grant.epoch != state_.epoch) {
    state_.epoch = grant.epoch;
    state_.receipt = {};
    replaced_ = false;  // the server ended all sessions, nobody took this one
  }
  learn_receipt(grant.receipt);
  if (grant.receipt.next > state_.next && !state_.leave) {
    state_.leave = true;
    world_.report(
        "this client's state is older than what the server has counted: it is a restored copy, or "
        "used "
        "twice; it goes on as a new installation");
  }
  if (replaced_) {
    replaced_ = false;
    state_.lost = {state_.lost[1], world_.now()};
    if (state_.lost[0] != Time{} && distance(state_.lost[0], state_.lost[1]) <= kHour) {
      world_.report(
          "another program has taken this client's session twice within an hour: its credential is "
          "in "
          "use elsewhere");
    }
  }
  state_.session = ClientSession{grant.session_id,
                                 {answer.keys->c2s.clone(), answer.keys->s2c.clone()},
                                 grant.expires_at,
                                 grant.max_body};
  knows_size_ = renewed_ = true;
  doubted_ = false;
  outbox_.save(state_);
}

// For a client that is revoked: no other message shall get a number in it, so that a new credential
// can take it over.
void Sender::end_session() {
  state_.session.reset();
  outbox_.save(state_);
}

// The state, with the counter used, is on disk before the message is gone.
Outcome Sender::settle(const Outbox::Entry& entry, Outcome outcome) {
  outbox_.save(state_);
  outbox_.remove(entry);
  return outcome;
}

void Sender::report_older(const Outbox::Entry& entry, const Outcome& outcome) const {
  if (outcome.kind == Kind::kAccepted) return;
  const std::string which =
      entry.counter ? "message " + std::to_string(*entry.counter) : "a stored message";
  world_.report("an earlier one, " + which + ": " + outcome.status + ", " + outcome.reason);
}

void Sender::learn_clock(Time asked_at, Time server_time) {
  const Time now = world_.now();
  if (now < asked_at || now - asked_at > kPromptAnswer || server_time >= kNoClock) return;
  state_.offset = ClockOffset(static_cast<std::int64_t>(to_ms(server_time)) -
                              static_cast<std::int64_t>(to_ms(now)));
}

void Sender::learn_receipt(const Receipt& receipt) {
  if (receipt.next > state_.receipt.next) state_.receipt = receipt;
}

Time Sender::server_now() const {
  const std::int64_t now = static_cast<std::int64_t>(to_ms(world_.now())) + state_.offset.count();
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
