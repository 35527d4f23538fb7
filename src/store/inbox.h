// The operator's view of the messages: the inbox, the statistics, and pruning.
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
  std::string state;  // "settled", "pending", "suspended" or "failed"
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
  std::string name;     // '' if the client was not authenticated
  std::string outcome;  // 'accepted', or the code of a rejection's reason
  std::int64_t count;
};

class Inbox {
 public:
  explicit Inbox(Database& database) : database_(database) {}

  // Calls `each` for each message, oldest first.
  void list(const InboxFilter& filter, const std::function<void(const InboxRow&)>& each);
  // Throws Fault if there is none.
  [[nodiscard]] InboxRow find(std::int64_t number);
  // The greatest number, 0 if there is no message.
  [[nodiscard]] std::int64_t last();

  struct Pruned {
    std::int64_t deleted = 0;
    std::int64_t emptied = 0;
  };
  // Prunes settled messages received before `before`.  Messages below their window are deleted and
  // counted in the statistics.  Messages inside it still guard against replays: they are emptied.
  // The newest row stays, so that no number is used twice.  Works in steps, and releases the write
  // lock after each.
  Pruned prune(Time before);

  // Makes a failed or suspended message in progress again, so that any process may claim it.
  // Returns the message as it was.  Throws Fault if it is neither.
  InboxRow reopen(std::int64_t number, Time now);
  // Settles a suspended message: its handler has acted already.  Throws Fault if it is not one.
  void mark_done(std::int64_t number);

  // By day, client and outcome.
  [[nodiscard]] std::vector<StatsRow> stats();

 private:
  // 4 MiB of WAL: to copy more would hold the write lock for too long.
  static constexpr int kFramesKept = 512;

  // Counts some messages for the statistics, once, if more than `few` are not counted yet.
  bool tally_step(std::int64_t few);
  // Deletes the installations of removed clients that have no message left.
  void delete_unused_installations();

  Database& database_;
};

}  // namespace sealpost
