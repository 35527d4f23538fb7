// Recently used sessions with their keys opened, so that not every message costs a lookup.
#pragma once

#include <map>
#include <memory>

#include "base/time.h"
#include "protocol/keyring.h"
#include "protocol/record.h"

namespace sealpost {

// A live session as it was when it was looked up.  Whether it still lives, the transaction that
// admits the record decides.
struct KnownSession {
  Session session;
  SessionKeys keys;
  Time live_until;
};

// Holds at most twice kHalf sessions: when the younger half is full, the older half is dropped,
// keys and all.
class SessionCache {
 public:
  static constexpr std::size_t kHalf = 4096;

  // Null if the session is not cached or has expired.
  [[nodiscard]] std::shared_ptr<const KnownSession> find(const SessionId& id, Time now) {
    if (const auto found = young_.find(id); found != young_.end()) return live(found->second, now);
    const auto found = old_.find(id);
    if (found == old_.end()) return nullptr;
    const std::shared_ptr<const KnownSession> session = found->second;
    old_.erase(found);
    add(session);
    return live(session, now);
  }

  void add(std::shared_ptr<const KnownSession> session) {
    if (young_.size() >= kHalf) {
      old_ = std::move(young_);
      young_.clear();
    }
    const SessionId& id = session->session.id;
    young_.insert_or_assign(id, std::move(session));
  }

  void remove(const SessionId& id) {
    young_.erase(id);
    old_.erase(id);
  }
  void clear() {
    young_.clear();
    old_.clear();
  }

 private:
  using Half = std::map<SessionId, std::shared_ptr<const KnownSession>>;

  std::shared_ptr<const KnownSession> live(const std::shared_ptr<const KnownSession>& session,
                                           Time now) {
    if (session->live_until > now) return session;
    remove(SessionId(session->session.id));
    return nullptr;
  }

  Half young_;
  Half old_;
};

}  // namespace sealpost
