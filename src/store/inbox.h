// The operator's view of the messages: what lies in the inbox, how much of what was accepted and
// refused, and what may go.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "crypto/primitives.h"
#include "store/database.h"

namespace sealpost {

struct InboxRow {
  std::int64_t number;
  std::string name;
  std::string topic;
  std::string claims;  // a JSON object
  Time received_at;
  Time sent_at;
  Generation generation;
  InstallNonce install_nonce;
  std::uint64_t counter;
  MessageId message_id;
  crypto::Digest digest;
  Bytes body;
  std::string state;  // "settled", "pending" or "failed"
  int attempt;        // how often a handler was given it; 0 for the inbox
};

struct InboxFilter {
  std::int64_t after = 0;  // only numbers above it
  std::optional<std::string> topic;
  std::optional<std::string> name;
  std::int64_t limit = -1;  // -1: all
};

struct StatsRow {
  std::string day;
  std::string name;     // '' for strangers
  std::string outcome;  // 'accepted', or the code of a rejection's reason
  std::int64_t count;
};

class Inbox {
 public:
  explicit Inbox(Database& database) : database_(database) {}

  // Oldest first, one call of `each` a message.
  void list(const InboxFilter& filter, const std::function<void(const InboxRow&)>& each);
  // Throws Fault if there is none.
  [[nodiscard]] InboxRow find(std::int64_t number);
  // The greatest number there is, 0 for none.
  [[nodiscard]] std::int64_t last();

  struct Pruned {
    std::int64_t deleted = 0;
    std::int64_t emptied = 0;
  };
  // Of settled messages received before `before`: those below their window are deleted and counted
  // in the tally, those inside it, which still guard against replays, are emptied.  The newest row
  // stays, so that no number is given out twice.  Goes in steps, between which the gateway can
  // work.
  Pruned prune(Time before);

  // Puts a message whose handler failed back among those in progress, for anybody to take up.
  // Throws Fault if it is another kind of message.
  void reopen(std::int64_t number, Time now);

  // By day, client and outcome.
  [[nodiscard]] std::vector<StatsRow> stats();

 private:
  // Those of clients that are gone, with no message left.
  void remove_unused_installations();
  // One step: rows above `after`; the last row it looked at, 0 when there are none left.
  std::int64_t prune_some(Time before, std::int64_t after, Pruned& pruned);

  Database& database_;
};

}  // namespace sealpost
