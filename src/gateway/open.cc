// The first step of the walk: a request is opened and checked (PROTOCOL 5; 6, steps 1 to 4).
#include <algorithm>
#include <utility>

#include "crypto/primitives.h"
#include "gateway/decision.h"
#include "gateway/gateway.h"

namespace sealpost {
namespace {

constexpr Milliseconds kHandshakeTolerance = 60 * kSecond;

}  // namespace

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
    case SessionStart::Verdict::kTooManySessions:
      return answer(Status::kUnavailable, Reason::kTooManySessions);
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
  return Admissible{
      std::move(requester),
      {std::move(*record), routing.decision, {pool_, settings.handlers, {name, routing.route}}},
      routing.handler,
      routing.line};
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

}  // namespace sealpost
