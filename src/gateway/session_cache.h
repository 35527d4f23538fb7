// SessionCache of late, with their keys opened, so that neither is looked for at every message.
#pragma once

#include <map>
#include <memory>

#include "base/time.h"
#include "protocol/keyring.h"
#include "protocol/record.h"

namespace sealpost {

// A live session, as it was when it was looked up: whether it still is, the transaction that admits
// decides.
struct KnownSession {
  Session session;
  SessionKeys keys;
  Time live_until;
};

// Holds twice kMost at most: when the younger half is full, the older one goes, keys and all.
class SessionCache {
 public:
  static constexpr std::size_t kMost = 4096;

  // Null if it is not here, or has ended since.
  [[nodiscard]] std::shared_ptr<const KnownSession> find(const SessionId& id, Time now) {
    if (const auto young = young_.find(id); young != young_.end()) return live(young->second, now);
    const auto old = old_.find(id);
    if (old == old_.end()) return nullptr;
    const std::shared_ptr<const KnownSession> found = old->second;
    old_.erase(old);
    keep(found);
    return live(found, now);
  }

  void keep(std::shared_ptr<const KnownSession> session) {
    if (young_.size() >= kMost) {
      old_ = std::move(young_);
      young_.clear();
    }
    const SessionId& id = session->session.id;
    young_.insert_or_assign(id, std::move(session));
  }

  void forget(const SessionId& id) {
    young_.erase(id);
    old_.erase(id);
  }
  void forget_all() {
    young_.clear();
    old_.clear();
  }

 private:
  using Half = std::map<SessionId, std::shared_ptr<const KnownSession>>;

  std::shared_ptr<const KnownSession> live(const std::shared_ptr<const KnownSession>& session,
                                           Time now) {
    if (session->live_until > now) return session;
    forget(SessionId(session->session.id));
    return nullptr;
  }

  Half young_;
  Half old_;
};

}  // namespace sealpost
