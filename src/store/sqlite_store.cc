#include "store/sqlite_store.h"

#include <sqlite3.h>

#include "store/ledger.h"

namespace sealpost {
namespace {

bool is_proof(const Admission& admission) {
  return admission.verdict == Admission::Verdict::kRolledBack;
}

}  // namespace

SqliteStore::SqliteStore(StorePaths paths, const ServerId& server_id)
    : paths_(std::move(paths)), server_id_(server_id) {}

SqliteStore::~SqliteStore() = default;

Ledger& SqliteStore::open() {
  if (!ledger_) ledger_ = std::make_unique<Ledger>(paths_, server_id_);
  return *ledger_;
}

template <class Work>
auto SqliteStore::guarded(Work work) {
  try {
    return work();
  } catch (const SQLite::Exception& error) {
    ledger_.reset();
    throw explain(error, paths_.database);
  } catch (...) {
    ledger_.reset();
    throw;
  }
}

template <class Work>
auto SqliteStore::with_ledger(Work work) {
  return guarded([&] {
    if (ledger_ && !ledger_->database().is_current()) ledger_.reset();
    return work(open());
  });
}

template <class Work>
auto SqliteStore::with_write(Work work) {
  return guarded([&] {
    for (;;) {
      {
        Ledger& ledger = open();
        Write write(ledger.database());
        // The home may have been replaced, now or while we waited: then this gate was another's.
        if (ledger.database().is_current()) return work(ledger, write);
      }
      ledger_.reset();
    }
  });
}

std::optional<StoredSession> SqliteStore::find_session(const SessionId& id, Time now) {
  return with_ledger([&](Ledger& ledger) { return ledger.find_session(id, now); });
}

bool SqliteStore::has_seen(const crypto::Digest& handshake, Time now) {
  return with_ledger([&](Ledger& ledger) { return ledger.has_seen(handshake, now); });
}

SessionStart SqliteStore::start_session(const NewSession& session, const Keyring& keyring,
                                        Time now) {
  const SessionStart start = with_write([&](Ledger& ledger, Write& write) {
    ledger.delete_expired(now);
    const SessionStart found = ledger.start_session(session, keyring, now);
    if (found.verdict == SessionStart::Verdict::kStarted) write.commit();
    return found;
  });
  if (start.verdict == SessionStart::Verdict::kRolledBack) roll_epoch(start.epoch, now);
  return start;
}

std::vector<Admission> SqliteStore::admit(std::span<const Candidate> batch, const Keyring& keyring,
                                          const AdmissionLimits& limits, Time now) {
  std::optional<std::vector<Admission>> together = admit_together(batch, keyring, limits, now);
  std::vector<Admission> admissions;
  if (together) {
    admissions = std::move(*together);
  } else {
    // One of them failed, and the transaction with it.  Nothing was committed, so each gets its
    // own.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      admissions.push_back(
          admit_together(batch.subspan(i, 1), keyring, limits, now).value().front());
    }
  }
  if (const auto proof = std::find_if(admissions.begin(), admissions.end(), is_proof);
      proof != admissions.end()) {
    roll_epoch(proof->epoch, now);
    for (Admission& one : admissions) {
      if (!is_proof(one)) one = {.verdict = Admission::Verdict::kNoSession};
    }
  }
  return admissions;
}

std::vector<SavedResult> SqliteStore::settle(std::span<const JobResult> batch, Time now) {
  return with_write([&](Ledger& ledger, Write& write) {
    std::vector<SavedResult> settled;
    for (const JobResult& one : batch) settled.push_back(ledger.settle(one, now));
    write.commit();
    return settled;
  });
}

std::vector<DeliveryJob> SqliteStore::claim_overdue(std::size_t most, Milliseconds lease,
                                                    Time now) {
  const bool any = with_ledger([&](Ledger& ledger) { return ledger.has_overdue(now); });
  if (!any || most == 0) return {};  // the usual case needs no write
  return with_write([&](Ledger& ledger, Write& write) {
    std::vector<DeliveryJob> jobs = ledger.claim_overdue(most, lease, now);
    write.commit();
    return jobs;
  });
}

void SqliteStore::add_rejection_counts(const RejectionCounts& counts) {
  with_write([&](Ledger& ledger, Write& write) {
    ledger.add_rejection_counts(counts);
    write.commit();
  });
}

void SqliteStore::checkpoint() {
  if (ledger_) ledger_->database().checkpoint();
}

void SqliteStore::trim(bool presume_ended_sessions) {
  if (!ledger_) return;  // who was refused has opened nothing
  with_ledger([&](Ledger& ledger) { ledger.trim(presume_ended_sessions); });
}

bool SqliteStore::has_ended_sessions() const { return ledger_ && ledger_->has_ended_sessions(); }

// One transaction, rolled back if any of them proves the database an old copy.  Nothing where one
// of several made it fail.
std::optional<std::vector<Admission>> SqliteStore::admit_together(std::span<const Candidate> batch,
                                                                  const Keyring& keyring,
                                                                  const AdmissionLimits& limits,
                                                                  Time now) {
  using Admissions = std::vector<Admission>;
  return with_write([&](Ledger& ledger, Write& write) -> std::optional<Admissions> {
    Admissions admissions;
    try {
      ledger.delete_expired(now);
      ledger.set_limits(limits);
      const Epoch epoch = ledger.epoch();
      for (const Candidate& candidate : batch) {
        admissions.push_back(ledger.admit(candidate, keyring, epoch, limits, now));
        if (is_proof(admissions.back())) {
          admissions.resize(batch.size(), {.verdict = Admission::Verdict::kNoSession});
          return admissions;
        }
      }
    } catch (const SQLite::Exception& error) {
      if (batch.size() > 1) return std::nullopt;
      if (error.getErrorCode() != SQLITE_FULL) throw;
      return Admissions{{.verdict = Admission::Verdict::kDiskFull}};
    }
    write.commit();
    return admissions;
  });
}

// In a transaction of its own, under the gate.  Whoever comes second finds the epoch gone that its
// proof was about.
void SqliteStore::roll_epoch(const Epoch& proven_old, Time now) {
  with_write([&](Ledger& ledger, Write& write) {
    if (ledger.epoch() != proven_old) return;
    ledger.roll_epoch(server_id_, now);
    write.commit();
  });
}

}  // namespace sealpost
