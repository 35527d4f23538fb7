#include "gateway/gateway.h"

#include "base/fault_point.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

constexpr Milliseconds kHandshakeTolerance = 60 * kSecond;

}  // namespace

// One request on its way: it has an answer, a candidate to be admitted, or a handler at work.
struct Gateway::Visit : Caller {
  explicit Visit(const Request& from) : request(from) { arrived = from.arrived; }

  const Request& request;
  Envelope envelope;
  std::optional<Candidate> candidate;
  std::optional<Target> target;  // of a candidate for a handler, and so is the next
  std::optional<WorkerPool::Place> place;
  std::shared_ptr<PendingDelivery> delivery;
};

Gateway::Gateway(SettingTexts texts, WorkerPool& pool)
    : texts_(std::move(texts)), pool_(pool), max_body_(settings_.max_body), log_(texts_[kLog]) {
  try {
    max_body_ = Settings::parse(texts_).max_body;
  } catch (const Fault&) {
    // Said where it can be answered: in house().
  }
}

std::vector<Handled> Gateway::handle(std::span<const Request> batch, Time now) {
  looked_over_ = false;
  std::deque<Visit> visits;
  for (const Request& request : batch) {
    Visit& visit = visits.emplace_back(request);
    guarded(visit, [&] { receive(visit, now); });
  }
  admit(visits, now);

  std::vector<Handled> handled;
  for (Visit& visit : visits) {
    if (!visit.delivery) note(visit, now);
    handled.push_back({std::move(visit.response), std::move(visit.delivery)});
  }
  log_.flush();
  return handled;
}

// PROTOCOL 4.
void Gateway::receive(Visit& visit, Time now) {
  if (const auto no = check_http(visit.request)) return visit.answer(*no);
  Result<Envelope, Reason> envelope = Envelope::parse(visit.request.body);
  if (!envelope) return visit.answer(not_the_form(envelope.error()));
  visit.envelope = std::move(*envelope);
  house();  // 503 comes before 403: without a home, without keys, with routes that cannot be read
  if (visit.envelope.kind() == kHandshakeKind) return handshake(visit, now);
  if (visit.envelope.kind() == kRecordKind) return record(visit, now);
  visit.answer(refused(Reason::kFirstByte));
}

// PROTOCOL 5, in its order.
void Gateway::handshake(Visit& visit, Time now) {
  Store& store = house().store();
  const Keyring& keyring = house().keyring();

  // 1-4: a stranger's until here, and nothing is written
  Result<OpenedHandshake, Reason> opened = OpenedHandshake::open(visit.envelope, keyring);
  if (!opened) return visit.answer(refused(opened.error()));
  if (store.has_seen(opened->digest(), now))
    return visit.answer(refused(Reason::kReplayedHandshake));
  if (!opened->agree(crypto::random_key())) return visit.answer(refused(Reason::kHandshakePoint));
  visit.entry.name = opened->name();
  const auto refuse = [&](Status status, Reason reason) {
    visit.answer(status, reason, opened->reject(status, now));
  };

  // 5-7: sealed from here on
  const std::optional<Time> sent_at = opened->sent_at();
  if (!sent_at) return refuse(Status::kMalformed, Reason::kShort);
  if (distance(*sent_at, now) > kHandshakeTolerance) return refuse(Status::kLate, Reason::kClock);
  const Result<HandshakeRequest, Reason> request = opened->request();
  if (!request) return refuse(Status::kMalformed, request.error());
  const ClaimsProof& proof = request->proof;
  const Installation who{opened->name(), opened->generation(), request->install_nonce};
  if (!was_issued(keyring, opened->kid(), who, proof)) {
    return refuse(Status::kForbidden, Reason::kKeyUseHmac);
  }
  if (!proof.claims.valid_at(now)) return refuse(Status::kForbidden, Reason::kClaimsTime);

  // 8-10: one transaction
  const Session session{crypto::random_id<SessionId>(), opened->kid(), who};
  const Time expires_at =
      std::min(now + settings_.session_life, proof.claims.end().value_or(Time::max()));
  const SessionStart start =
      store.start_session({session,
                           keyring.seal_session_keys(session.kid, session.id, who.name,
                                                     opened->keys(), crypto::random_array<24>()),
                           opened->digest(), proof.receipt, expires_at},
                          keyring, now);
  switch (start.verdict) {
    case SessionStart::Verdict::kReplayed:
      return visit.answer(refused(Reason::kReplayedHandshake));
    case SessionStart::Verdict::kRevoked:
      return refuse(Status::kRevoked, Reason::kGeneration);
    case SessionStart::Verdict::kRolledBack:
      return visit.answer(refused(Reason::kRollback));
    case SessionStart::Verdict::kTooManyPending:
      return refuse(Status::kUnavailable, Reason::kPendingSessions);
    case SessionStart::Verdict::kStarted:
      break;
  }
  const SessionGrant grant{
      session.id, start.epoch, expires_at,
      make_receipt(keyring.receipt_key(session.kid), start.epoch, who, start.next),
      static_cast<std::uint32_t>(settings_.max_body)};
  visit.answer(Status::kAccepted, Reason::kNone, opened->accept(grant, now));
  visit.entry.outcome = LogOutcome::kSession;
}

// PROTOCOL 6, steps 1 to 4; the rest needs the transaction, and is `admit`.
void Gateway::record(Visit& visit, Time now) {
  // 1: form, header, live session
  const Result<RecordHeader, Reason> header = RecordHeader::read(visit.envelope.message);
  if (!header) return visit.answer(refused(header.error()));
  const auto known = find_session(header->session_id, now);
  if (!known) return visit.answer(refused(Reason::kSession));
  const Session& session = known->session;
  const std::string& name = session.installation.name;
  if (!visit.envelope.name.empty() && visit.envelope.name != name) {
    return visit.answer(refused(Reason::kName));
  }
  const Keyring& keyring = house().keyring();
  if (!keyring.has(session.kid)) return visit.answer(refused(Reason::kKid));

  // 2: the seal.  Nothing is written before this point, whatever arrives
  Result<OpenedSeal, Reason> seal =
      OpenedSeal::open(visit.envelope, *header, session, known->keys.c2s);
  if (!seal) return visit.answer(refused(seal.error()));
  visit.session = known;
  visit.request_hash = seal->request_hash();
  visit.entry.name = name;

  // 3: the plaintext's shape
  Result<OpenedRecord, Reason> record = OpenedRecord::read(std::move(*seal));
  if (!record) {
    return visit.answer_sealed(Status::kMalformed, record.error(), now, {}, {});
  }
  visit.entry.topic = record->message().topic;

  // 4: what this client was issued
  if (!was_issued(keyring, session.kid, session.installation, record->proof())) {
    return visit.answer_sealed(Status::kForbidden, Reason::kKeyUseHmac, now, {}, {});
  }
  const Decision decision = rule(*record, visit, now);
  visit.candidate = Candidate{std::move(*record), decision};
}

// PROTOCOL 6, step 8: what is to be said of a message if its counter turns out to be new.
Decision Gateway::rule(const OpenedRecord& record, Visit& visit, Time now) {
  if (settings_.tolerance != Milliseconds{0} &&
      distance(record.sent_at(), now) > settings_.tolerance) {
    return Decision::kLate;
  }
  const Claims& claims = record.proof().claims;
  if (!claims.valid_at(now)) return Decision::kForbidden;
  const std::string& topic = record.message().topic;
  if (topic == kPingTopic) return Decision::kNowhere;
  if (is_reserved_topic(topic)) return Decision::kForbidden;
  const Route* route = house().routes().match(topic, claims);
  if (route == nullptr || route->to.kind == Target::Kind::kReject) return Decision::kForbidden;
  if (!route->to.has_handler()) return Decision::kInbox;
  visit.target = route->to;
  visit.place = pool_.reserve(settings_.handlers);
  return visit.place ? Decision::kHandler : Decision::kBusy;
}

// PROTOCOL 6, steps 5 to 9, for all that have come this far, in one transaction.
void Gateway::admit(std::deque<Visit>& visits, Time now) {
  std::vector<Candidate> batch;
  std::vector<Visit*> waiting;
  for (Visit& visit : visits) {
    if (!visit.candidate) continue;
    waiting.push_back(&visit);
    batch.push_back(std::move(*visit.candidate));
  }
  if (batch.empty()) return;
  try {
    const AdmissionLimits limits{settings_.lease(), settings_.quota_messages,
                                 settings_.quota_bytes};
    const std::vector<Admission> admissions =
        house().store().admit(batch, house().keyring(), limits, now);
    FAULT_POINT("committed");
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      waiting[i]->candidate = std::move(batch[i]);
      guarded(*waiting[i], [&] { settle(*waiting[i], admissions[i], now); });
    }
  } catch (const std::exception& fault) {
    for (Visit* visit : waiting) fail(*visit, fault);
  }
}

void Gateway::settle(Visit& visit, const Admission& admission, Time now) {
  using Verdict = Admission::Verdict;
  const Session& session = visit.session->session;
  const auto answer = [&](Status status, Reason reason) {
    visit.answer_sealed(status, reason, now, receipt_for(session, admission.epoch, admission.next),
                        admission.reply);
  };
  const auto leave_open = [&](Status status, Reason reason) {
    visit.answer_sealed(status, reason, now, {}, {});
  };
  visit.entry.number = admission.number;
  const bool accepted = admission.status == Status::kAccepted;
  switch (admission.verdict) {
    case Verdict::kNew:
      if (admission.status == Status::kInProgress) return hand_over(visit, admission);
      return answer(admission.status, accepted ? Reason::kNone : Reason::kClaimsOrTopic);
    case Verdict::kUsed:
      return answer(accepted ? Status::kDuplicate : admission.status, Reason::kUsed);
    case Verdict::kConflict:
      if (admission.alarm) {
        log_.alarm("conflict", session.installation.name,
                   "two copies of one client's state are at work: a restored backup, a clone, "
                   "or a stolen credential",
                   now);
      }
      return answer(Status::kConflict, Reason::kCounter);
    case Verdict::kTooOld:
      return answer(Status::kTooOld, Reason::kBelowWindow);
    case Verdict::kLate:
      return leave_open(Status::kLate, Reason::kClock);
    case Verdict::kBusy:
      return leave_open(Status::kUnavailable, Reason::kNoHandler);
    case Verdict::kDiskFull:
      return leave_open(Status::kUnavailable, Reason::kNoStorage);
    case Verdict::kOverQuota:
      if (admission.alarm) {
        log_.alarm("quota", session.installation.name,
                   "this client has used up SEALPOST_QUOTA_MESSAGES or SEALPOST_QUOTA_BYTES", now);
      }
      return leave_open(Status::kUnavailable, Reason::kOverQuota);
    case Verdict::kRevoked:
      return leave_open(Status::kRevoked, Reason::kGeneration);
    case Verdict::kNoSession:
      sessions_.forget(session.id);
      return visit.answer(refused(Reason::kSession));
    case Verdict::kRolledBack:
      return visit.answer(refused(Reason::kRollback));
  }
}

// The message is committed; its caller waits for the handler from here on.
void Gateway::hand_over(Visit& visit, const Admission& admission) {
  const OpenedRecord& record = visit.candidate->record;
  const Message& message = record.message();
  DeliveryJob job{
      admission.number,      admission.attempt, visit.session->session.installation.name,
      record.proof().claims, message.topic,     message.id,
      message.digest(),      message.body};
  visit.delivery = std::make_shared<PendingDelivery>(
      std::move(job), std::move(*visit.target), settings_.handler_timeout,
      std::move(static_cast<Caller&>(visit)), std::move(*visit.place), pool_.stop_flag());
}

Receipt Gateway::receipt_for(const Session& session, const Epoch& epoch, std::uint64_t next) {
  return make_receipt(house().keyring().receipt_key(session.kid), epoch, session.installation,
                      next);
}

template <class Work>
void Gateway::guarded(Visit& visit, Work work) {
  try {
    work();
  } catch (const std::exception& fault) {
    fail(visit, fault);
  }
}

// A fault fails closed: the peer hears 503, the log everything, and nothing we knew is trusted any
// more.
void Gateway::fail(Caller& caller, const std::exception& fault) {
  caller.answer(unavailable());
  caller.entry.detail = fault.what();
  house_.reset();
}

void Gateway::note(Caller& caller, Time now) {
  const auto spent = std::chrono::steady_clock::now() - caller.arrived;
  caller.entry.microseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  log_.request(caller.entry, now);
  if (caller.entry.reason == Reason::kRollback) {
    log_.alarm("rollback", caller.entry.name,
               "the database is older than what it had promised this client: a new epoch has "
               "begun, and all clients start new sessions by themselves",
               now);
  }
  has_written_ = has_written_ || caller.entry.outcome == LogOutcome::kAccepted;
  const bool in_messages = caller.entry.number != 0 && caller.entry.reason != Reason::kUsed;
  const bool tallied = !in_messages && caller.entry.outcome != LogOutcome::kSession;
  if (tallied) {
    const std::string_view outcome =
        caller.response->sealed ? text_of(caller.entry.outcome) : text_of(caller.entry.reason);
    ++rejection_counts_[{iso_time(now).substr(0, 10), caller.entry.name, std::string(outcome)}];
  }
}

std::shared_ptr<const KnownSession> Gateway::find_session(const SessionId& id, Time now) {
  if (auto known = sessions_.find(id, now)) return known;
  const auto stored = house().store().find_session(id, now);
  const Keyring& keyring = house().keyring();
  if (!stored || !keyring.has(stored->session.kid)) return nullptr;
  const Session& session = stored->session;
  auto known = std::make_shared<const KnownSession>(KnownSession{
      session,
      keyring.open_session_keys(session.kid, id, session.installation.name, stored->sealed_keys),
      stored->live_until});
  sessions_.keep(known);
  return known;
}

Resources& Gateway::house() {
  if (!house_) {
    settings_ = Settings::parse(texts_);
    house_ = std::make_unique<Resources>(settings_);
    sessions_.forget_all();
    may_hold_ended_keys_ = true;
    looked_over_ = false;
  }
  if (!looked_over_) house_->refresh();
  looked_over_ = true;
  return *house_;
}

}  // namespace sealpost
