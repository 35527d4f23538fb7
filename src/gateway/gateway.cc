#include "gateway/gateway.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "crypto/primitives.h"
#include "gateway/decision.h"

namespace sealpost {
namespace {

constexpr Milliseconds kHandshakeTolerance = 60 * kSecond;

std::size_t max_body_of(const SettingTexts& texts) {
  try {
    return Settings::parse(texts).max_body;
  } catch (const Fault&) {
    return Settings{}.max_body;  // take_snapshot() reports the fault to those who can be answered
  }
}

Receipt receipt_for(const Session& session, const Keyring& keyring, const Epoch& epoch,
                    std::uint64_t next) {
  return make_receipt(keyring.receipt_key(session.kid), epoch, session.installation, next);
}

}  // namespace

Gateway::Gateway(SettingTexts texts, WorkerPool& pool)
    : texts_(std::move(texts)), pool_(pool), max_body_(max_body_of(texts_)), log_(texts_[kLog]) {}

std::vector<Handled> Gateway::handle(std::span<const Request* const> batch, Time now) {
  std::vector<Received> received;
  received.reserve(batch.size());
  for (const Request* request : batch) received.push_back(receive(*request));  // PROTOCOL 4
  const bool has_envelope = std::any_of(received.begin(), received.end(), [](const Received& one) {
    return std::holds_alternative<Envelope>(one.content);
  });
  // A request that breaks the rules of HTTP or of the form is answered without a home.
  const SnapshotResult snapshot = has_envelope ? take_snapshot() : SnapshotResult(std::string());

  std::vector<Exchange> exchanges;
  exchanges.reserve(batch.size());
  for (const Received& one : received) {
    exchanges.push_back(open(one, snapshot, now));  // PROTOCOL 5; 6, steps 1 to 4
  }
  commit(exchanges, snapshot, now);  // PROTOCOL 6, steps 5 to 9, one transaction
  return respond(std::move(exchanges), now);
}

// PROTOCOL 4.
Gateway::Received Gateway::receive(const Request& request) {
  if (const auto rejection = check_http(request)) return {&request, *rejection};
  Result<Envelope, Reason> envelope = Envelope::parse(request.body);
  if (!envelope) return {&request, not_the_form(envelope.error())};
  return {&request, std::move(*envelope)};
}

Gateway::SnapshotResult Gateway::take_snapshot() {
  try {
    if (!resources_) {
      resources_ = std::make_unique<Resources>(Settings::parse(texts_));
      sessions_.clear();
      housekeeping_.expect_ended_keys();
    }
    return resources_->refresh();
  } catch (const std::exception& fault) {
    has_failed_ = true;
    return std::string(fault.what());
  }
}

Exchange Gateway::open(const Received& received, const SnapshotResult& snapshot, Time now) {
  Requester requester{.arrived = received.request->arrived};
  if (const auto* plain = std::get_if<PlainAnswer>(&received.content)) {
    return answer_plainly(std::move(requester), *plain);
  }
  // 503 comes before 403: without a home, without keys, with routes that cannot be read.
  if (!snapshot) return answer_fault(std::move(requester), snapshot.error());
  const auto& envelope = std::get<Envelope>(received.content);
  try {
    if (envelope.kind() == kHandshakeKind) {
      return open_handshake(envelope, requester, *snapshot, now);
    }
    if (envelope.kind() == kRecordKind) return open_record(envelope, requester, *snapshot, now);
    return answer_plainly(std::move(requester), rejected(Reason::kFirstByte));
  } catch (const std::exception& fault) {
    return fail(requester, fault);
  }
}

// PROTOCOL 5, in its order.
Answered Gateway::open_handshake(const Envelope& envelope, Requester& requester,
                                 const Snapshot& snapshot, Time now) {
  const auto& [settings, keyring, routes, store] = snapshot;
  const auto reject = [&](Reason reason) {
    return answer_plainly(std::move(requester), rejected(reason));
  };

  // 1-4: the client is not authenticated yet, and nothing is written
  Result<OpenedHandshake, Reason> opened = OpenedHandshake::open(envelope, keyring);
  if (!opened) return reject(opened.error());
  if (store.has_seen(opened->digest(), now)) return reject(Reason::kReplayedHandshake);
  if (!opened->agree(crypto::random_key())) return reject(Reason::kHandshakePoint);
  requester.entry.name = opened->name();
  const auto answer = [&](Status status, Reason reason) {
    return answer_sealed(std::move(requester), status, reason, opened->reject(status, now));
  };

  // 5-7: answers are sealed from here on
  const std::optional<Time> sent_at = opened->sent_at();
  if (!sent_at) return answer(Status::kMalformed, Reason::kShort);
  if (distance(*sent_at, now) > kHandshakeTolerance) return answer(Status::kLate, Reason::kClock);
  const Result<HandshakeRequest, Reason> request = opened->request();
  if (!request) return answer(Status::kMalformed, request.error());
  const ClaimsProof& proof = request->proof;
  const Installation installation{opened->name(), opened->generation(), request->install_nonce};
  if (!was_issued(keyring, opened->kid(), installation, proof)) {
    return answer(Status::kForbidden, Reason::kKeyUseHmac);
  }
  if (!proof.claims.valid_at(now)) return answer(Status::kForbidden, Reason::kClaimsTime);

  // 8-10: one transaction
  const Session session{SessionId{crypto::random_array<16>()}, opened->kid(), installation};
  const Time expires_at =
      std::min(now + settings.session_life, proof.claims.end().value_or(Time::max()));
  const SessionStart start =
      store.start_session({session,
                           keyring.seal_session_keys(session.kid, session.id, installation.name,
                                                     opened->keys(), crypto::random_array<24>()),
                           opened->digest(), proof.receipt, expires_at},
                          keyring, now);
  switch (start.verdict) {
    case SessionStart::Verdict::kReplayed:
      return reject(Reason::kReplayedHandshake);
    case SessionStart::Verdict::kRevoked:
      return answer(Status::kRevoked, Reason::kGeneration);
    case SessionStart::Verdict::kRolledBack:
      return reject(Reason::kRollback);
    case SessionStart::Verdict::kTooManyPending:
      return answer(Status::kUnavailable, Reason::kPendingSessions);
    case SessionStart::Verdict::kStarted:
      break;
  }
  const SessionGrant grant{session.id, start.epoch, expires_at,
                           receipt_for(session, keyring, start.epoch, start.next),
                           static_cast<std::uint32_t>(settings.max_body)};
  Answered answered = answer_sealed(std::move(requester), Status::kAccepted, Reason::kNone,
                                    opened->accept(grant, now));
  answered.requester.entry.outcome = LogOutcome::kSession;
  return answered;
}

// PROTOCOL 6, steps 1 to 4, and what step 8 says of a counter that is new.
Exchange Gateway::open_record(const Envelope& envelope, Requester& requester,
                              const Snapshot& snapshot, Time now) {
  const auto& [settings, keyring, routes, store] = snapshot;
  const auto reject = [&](Reason reason) {
    return answer_plainly(std::move(requester), rejected(reason));
  };
  const auto answer = [&](Status status, Reason reason) {
    return answer_record(std::move(requester), reason, {status, now, {}, {}});
  };

  // 1: form, header, live session
  const Result<RecordHeader, Reason> header = RecordHeader::read(envelope.message);
  if (!header) return reject(header.error());
  const auto known = find_session(header->session_id, snapshot, now);
  if (!known) return reject(Reason::kSession);
  const Session& session = known->session;
  const std::string& name = session.installation.name;
  if (!envelope.name.empty() && envelope.name != name) return reject(Reason::kName);
  if (!keyring.has(session.kid)) return reject(Reason::kKid);

  // 2: the seal.  Nothing is written before this point, whatever arrives
  Result<OpenedSeal, Reason> seal = OpenedSeal::open(envelope, *header, session, known->keys.c2s);
  if (!seal) return reject(seal.error());
  requester.session = known;
  requester.request_hash = seal->request_hash();
  requester.entry.name = name;

  // 3: the plaintext's shape
  Result<OpenedRecord, Reason> record = OpenedRecord::read(std::move(*seal));
  if (!record) return answer(Status::kMalformed, record.error());
  requester.entry.topic = record->message().topic;

  // 4: what this client was issued
  if (!was_issued(keyring, session.kid, session.installation, record->proof())) {
    return answer(Status::kForbidden, Reason::kKeyUseHmac);
  }
  const Routing routing = decide(*record, routes, settings.tolerance, now);
  return Admissible{std::move(requester),
                    {std::move(*record), routing.decision, {pool_, settings.handlers}},
                    routing.handler};
}

// The session of a record; null if none is live.
std::shared_ptr<const KnownSession> Gateway::find_session(const SessionId& id,
                                                          const Snapshot& snapshot, Time now) {
  if (auto known = sessions_.find(id, now)) return known;
  const auto stored = snapshot.store.find_session(id, now);
  if (!stored || !snapshot.keyring.has(stored->session.kid)) return nullptr;
  const Session& session = stored->session;
  auto known = std::make_shared<const KnownSession>(
      KnownSession{session,
                   snapshot.keyring.open_session_keys(session.kid, id, session.installation.name,
                                                      stored->sealed_keys),
                   stored->live_until});
  sessions_.add(known);
  return known;
}

// PROTOCOL 6, steps 5 to 9, for all records of the batch, in one transaction.
void Gateway::commit(std::vector<Exchange>& exchanges, const SnapshotResult& snapshot, Time now) {
  std::vector<Candidate*> candidates;
  for (Exchange& exchange : exchanges) {
    if (auto* admissible = std::get_if<Admissible>(&exchange)) {
      candidates.push_back(&admissible->candidate);
    }
  }
  if (candidates.empty()) return;

  const auto& [settings, keyring, routes, store] = *snapshot;
  std::vector<Admission> admissions;
  std::optional<std::string> fault_of_all;
  try {
    const AdmissionLimits limits{settings.lease(), settings.quota_messages, settings.quota_bytes};
    admissions = store.admit(candidates, keyring, limits, now);
    FAULT_POINT("committed");
  } catch (const std::exception& fault) {
    fault_of_all = fault.what();
  }
  auto admission = admissions.begin();
  for (Exchange& exchange : exchanges) {
    auto* admissible = std::get_if<Admissible>(&exchange);
    if (admissible == nullptr) continue;
    try {
      if (fault_of_all) throw Fault(*fault_of_all);
      exchange = conclude(*admissible, std::move(*admission++), *snapshot, now);
    } catch (const std::exception& fault) {
      exchange = fail(admissible->requester, fault);
    }
  }
}

Exchange Gateway::conclude(Admissible& admissible, Admission admission, const Snapshot& snapshot,
                           Time now) {
  using Verdict = Admission::Verdict;
  Requester& requester = admissible.requester;
  const Session& session = admissible.candidate.record.session();
  const std::string& name = session.installation.name;
  const auto answer = [&](Status status, Reason reason) {
    const Receipt receipt = receipt_for(session, snapshot.keyring, admission.epoch, admission.next);
    return answer_record(std::move(requester), reason,
                         {status, now, receipt, std::move(admission.reply)});
  };
  // The counter is not used, so the answer carries no receipt.
  const auto leave_open = [&](Status status, Reason reason) {
    return answer_record(std::move(requester), reason, {status, now, {}, {}});
  };
  const auto reject = [&](Reason reason) {
    return answer_plainly(std::move(requester), rejected(reason));
  };
  requester.entry.number = admission.number;
  switch (admission.verdict) {
    case Verdict::kNew:
      return conclude_new(admissible, std::move(admission), snapshot, now);
    case Verdict::kUsed:
      return answer(admission.status == Status::kAccepted ? Status::kDuplicate : admission.status,
                    Reason::kUsed);
    case Verdict::kConflict:
      if (admission.alarm) {
        log_.alarm("conflict", name,
                   "Two copies of one client's state are in use: a restored backup, a clone, or a "
                   "stolen credential.",
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
        log_.alarm("quota", name,
                   "This client has used up SEALPOST_QUOTA_MESSAGES or SEALPOST_QUOTA_BYTES.", now);
      }
      return leave_open(Status::kUnavailable, Reason::kOverQuota);
    case Verdict::kRevoked:
      return leave_open(Status::kRevoked, Reason::kGeneration);
    case Verdict::kNoSession:
      sessions_.remove(session.id);
      return reject(Reason::kSession);
    case Verdict::kRolledBack:
      return reject(Reason::kRollback);
  }
  throw Fault("the store returned an unknown verdict");
}

// The message is committed: it is answered, or its handler starts.
Exchange Gateway::conclude_new(Admissible& admissible, Admission admission,
                               const Snapshot& snapshot, Time now) {
  Requester& requester = admissible.requester;
  const OpenedRecord& record = admissible.candidate.record;
  const Session& session = record.session();
  requester.stored = true;
  if (admission.status != Status::kInProgress) {
    const bool accepted = admission.status == Status::kAccepted;
    return answer_record(std::move(requester), accepted ? Reason::kNone : Reason::kClaimsOrTopic,
                         {admission.status, now,
                          receipt_for(session, snapshot.keyring, admission.epoch, admission.next),
                          std::move(admission.reply)});
  }
  const Message& message = record.message();
  return PendingDelivery{
      .job = {admission.number, admission.attempt, session.installation.name, record.proof().claims,
              message.topic, message.id, message.digest(), message.body},
      .target = *admissible.handler,
      .limits = {snapshot.settings.handler_timeout, &pool_.stop_flag()},
      .requester = std::move(requester),
      .place = admissible.candidate.place.take(),
  };
}

// Logs every answer.  The caller runs the deliveries.
std::vector<Handled> Gateway::respond(std::vector<Exchange> exchanges, Time now) {
  std::vector<Handled> handled;
  handled.reserve(exchanges.size());
  for (Exchange& exchange : exchanges) {
    if (auto* delivery = std::get_if<PendingDelivery>(&exchange)) {
      handled.emplace_back(std::move(*delivery));
    } else {
      auto& answered = std::get<Answered>(exchange);
      write_log(answered, now);
      handled.emplace_back(std::move(answered.response));
    }
  }
  log_.flush();
  drop_resources_after_fault();
  return handled;
}

Answered Gateway::fail(Requester& requester, const std::exception& fault) {
  has_failed_ = true;
  return answer_fault(std::move(requester), fault.what());
}

void Gateway::drop_resources_after_fault() {
  if (std::exchange(has_failed_, false)) resources_.reset();
}

void Gateway::write_log(Answered& answered, Time now) {
  LogEntry& entry = answered.requester.entry;
  const auto spent = std::chrono::steady_clock::now() - answered.requester.arrived;
  entry.microseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  log_.request(entry, now);
  if (entry.reason == Reason::kRollback) {
    log_.alarm(
        "rollback", entry.name,
        "The database is older than what it had promised this client. A new epoch has begun; "
        "all clients start new sessions by themselves.",
        now);
  }
  housekeeping_.count(answered, now);
}

void Gateway::do_housekeeping(Time now, bool at_exit) {
  if (resources_) housekeeping_.run(resources_->store(), sessions_, now, at_exit);
}

bool Gateway::is_housekeeping_done() const {
  return !resources_ || housekeeping_.is_done(resources_->store());
}

void Gateway::prepare_exit() {
  if (resources_) housekeeping_.finish(resources_->store());
}

}  // namespace sealpost
