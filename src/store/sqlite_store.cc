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
        // The home may have been replaced, also while this process waited for the lock.
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
  if (start.verdict == SessionStart::Verdict::kRolledBack) roll_epoch(start.epoch, &session, now);
  return start;
}

std::vector<Admission> SqliteStore::admit(std::span<Candidate* const> batch, const Keyring& keyring,
                                          const AdmissionLimits& limits, Time now) {
  std::optional<std::vector<Admission>> together = admit_together(batch, keyring, limits, now);
  std::vector<Admission> admissions;
  if (together) {
    admissions = std::move(*together);
  } else {
    // One record made the transaction fail, and nothing was committed: each gets its own.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      admissions.push_back(
          admit_together(batch.subspan(i, 1), keyring, limits, now).value().front());
    }
  }
  if (const auto proof = std::find_if(admissions.begin(), admissions.end(), is_proof);
      proof != admissions.end()) {
    roll_epoch(proof->epoch, nullptr, now);
    for (Admission& one : admissions) {
      if (!is_proof(one)) one = {.verdict = Admission::Verdict::kNoSession};
    }
  }
  return admissions;
}

std::vector<SavedResult> SqliteStore::save_results(std::span<const JobResult> batch, Time now) {
  return with_write([&](Ledger& ledger, Write& write) {
    std::vector<SavedResult> saved;
    for (const JobResult& one : batch) saved.push_back(ledger.save_result(one, now));
    write.commit();
    return saved;
  });
}

ClaimedJobs SqliteStore::claim_overdue(std::size_t most, Milliseconds lease,
                                       const DeliveriesAtWork& at_work, Time now) {
  const bool any = with_ledger([&](Ledger& ledger) { return ledger.has_overdue(now); });
  if (!any || most == 0) return {};  // usually there are none, and nothing is written
  return with_write([&](Ledger& ledger, Write& write) {
    ClaimedJobs claimed = ledger.claim_overdue(most, lease, at_work, now);
    write.commit();
    return claimed;
  });
}

void SqliteStore::add_rejection_counts(const RejectionCounts& counts) {
  with_write([&](Ledger& ledger, Write& write) {
    ledger.add_rejection_counts(counts);
    write.commit();
  });
}

void SqliteStore::clean_up(Cleanup extent) {
  if (!ledger_) return;  // a process that only rejected requests has opened nothing
  if (extent == Cleanup::kLight) return ledger_->database().checkpoint();
  with_ledger(
      [&](Ledger& ledger) { ledger.trim_wal(extent == Cleanup::kFullPresumingEndedSessions); });
}

bool SqliteStore::needs_full_cleanup() const { return ledger_ && ledger_->has_ended_sessions(); }

// One transaction, rolled back if any record proves that the database is an old copy.  Returns
// nothing if one of several records made it fail.
std::optional<std::vector<Admission>> SqliteStore::admit_together(std::span<Candidate* const> batch,
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
      for (Candidate* candidate : batch) {
        admissions.push_back(ledger.admit(*candidate, keyring, epoch, now));
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

// In a transaction of its own.  If two processes find a proof, the second finds a new epoch
// already.  `proof` is the handshake that held the proof, or null if a record did.
void SqliteStore::roll_epoch(const Epoch& proven_old, const NewSession* proof, Time now) {
  with_write([&](Ledger& ledger, Write& write) {
    if (proof != nullptr) ledger.remember(proof->handshake, proof->session.installation, now);
    if (ledger.epoch() == proven_old) ledger.roll_epoch(server_id_, now);
    write.commit();
  });
}

}  // namespace sealpost
