// Store on SQLite: one connection, used by one thread, reopened when it has failed or its file was
// replaced.
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
  [[nodiscard]] std::vector<Admission> admit(std::span<const Candidate> batch,
                                             const Keyring& keyring, const AdmissionLimits& limits,
                                             Time now) override;
  [[nodiscard]] std::vector<SavedResult> settle(std::span<const JobResult> batch,
                                                Time now) override;
  [[nodiscard]] std::vector<DeliveryJob> claim_overdue(std::size_t most, Milliseconds lease,
                                                       Time now) override;
  void add_rejection_counts(const RejectionCounts& counts) override;
  void checkpoint() override;
  void trim(bool presume_ended_sessions) override;
  [[nodiscard]] bool has_ended_sessions() const override;

 private:
  // The connection, opened if there is none.
  Ledger& open();
  // After any failure the connection is given up, and what SQLite said becomes a Fault with its
  // mend.
  template <class Work>
  auto guarded(Work work);
  // Runs `work` with a connection to the file that is the home's now.
  template <class Work>
  auto with_ledger(Work work);
  // The same inside a write transaction; `work` commits.
  template <class Work>
  auto with_write(Work work);

  std::optional<std::vector<Admission>> admit_together(std::span<const Candidate> batch,
                                                       const Keyring& keyring,
                                                       const AdmissionLimits& limits, Time now);
  void roll_epoch(const Epoch& proven_old, Time now);

  StorePaths paths_;
  ServerId server_id_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace sealpost
