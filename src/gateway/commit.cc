// The second step of the walk: the store admits all opened records of a batch (PROTOCOL 6, steps 5
// to 9), and each is answered or goes to its handler.
#include <utility>

#include "base/fault_point.h"
#include "gateway/gateway.h"
#include "protocol/idempotency_key.h"

namespace sealpost {
namespace {

// Why a new message was settled with this status.
Reason reason_of(Status status) {
  switch (status) {
    case Status::kForbidden:
      return Reason::kClaimsTime;
    case Status::kNoRoute:
      return Reason::kRoute;
    case Status::kTooLarge:
      return Reason::kLargerThanQuota;
    default:
      return Reason::kNone;
  }
}

// What an operator should know of a message that no route takes.
std::string no_route(const Admissible& admissible) {
  const OpenedRecord& record = admissible.candidate.record;
  const std::string what = "the topic " + record.message().topic + " of a client with the role " +
                           std::string(record.proof().claims.role());
  return (admissible.line == 0
              ? "No line of the routes file takes " + what
              : "Line " + std::to_string(admissible.line) + " of the routes file rejects " + what) +
         ". If its messages are wanted, change the file, run `sealpost routes check`, and let the "
         "client send them again.";
}

}  // namespace

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
    if (admission.alarm)
      log_.alarm("no_route", session.installation.name, no_route(admissible), now);
    return answer_record(std::move(requester), reason_of(admission.status),
                         {admission.status, now,
                          receipt_for(session, snapshot.keyring, admission.epoch, admission.next),
                          std::move(admission.reply)});
  }
  const Message& message = record.message();
  return PendingDelivery{
      .job = {admission.number, admission.attempt, session.installation.name, record.proof().claims,
              message.topic,
              idempotency_key(snapshot.keyring.server_id(), session.installation, message.counter,
                              message.digest()),
              message.digest(), message.body, admission.received_at},
      .target = *admissible.handler,
      .limits = {snapshot.settings.handler_timeout, &pool_.stop_flag(),
                 &pool_.stop_starting_flag()},
      .requester = std::move(requester),
      .place = admissible.candidate.place.take(),
      .at_work = pool_.at_work().add(admission.number),
  };
}

}  // namespace sealpost
