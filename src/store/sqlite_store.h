// Store on SQLite: one connection, used by one thread.  It is opened again after a failure, and
// when its file was replaced.
#pragma once

#include <memory>

#include "store/database.h"
#include "store/store.h"

namespace sealpost {

class Ledger;

class SqliteStore : public Store {
 public:
  // Opens nothing yet: a database that is missing now may be there for the next request.
  SqliteStore(StorePaths paths, const ServerId& server_id);
  ~SqliteStore() override;

  [[nodiscard]] std::optional<StoredSession> find_session(const SessionId& id, Time now) override;
  [[nodiscard]] bool has_seen(const crypto::Digest& handshake, Time now) override;
  [[nodiscard]] SessionStart start_session(const NewSession& session, const Keyring& keyring,
                                           Time now) override;
  [[nodiscard]] std::vector<Admission> admit(std::span<Candidate* const> batch,
                                             const Keyring& keyring, const AdmissionLimits& limits,
                                             Time now) override;
  [[nodiscard]] std::vector<SavedResult> save_results(std::span<const JobResult> batch,
                                                      Time now) override;
  [[nodiscard]] ClaimedJobs claim_overdue(std::size_t most, Milliseconds lease,
                                          const DeliveriesAtWork& at_work, Time now) override;
  void add_rejection_counts(const RejectionCounts& counts) override;
  void clean_up(Cleanup extent) override;
  [[nodiscard]] bool needs_full_cleanup() const override;

 private:
  // The connection, opened if there is none.
  Ledger& open();
  // After any failure it closes the connection, and turns SQLite's error into a Fault that says
  // what to do.
  template <class Work>
  auto guarded(Work work);
  // Runs `work` with a connection to the file that is the home's now.
  template <class Work>
  auto with_ledger(Work work);
  // The same inside a write transaction; `work` commits.
  template <class Work>
  auto with_write(Work work);

  std::optional<std::vector<Admission>> admit_together(std::span<Candidate* const> batch,
                                                       const Keyring& keyring,
                                                       const AdmissionLimits& limits, Time now);
  void roll_epoch(const Epoch& proven_old, const NewSession* proof, Time now);

  StorePaths paths_;
  ServerId server_id_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace sealpost
