// What a gateway must answer by PROTOCOL 5 to 7, written as simply as possible: maps in memory, a
// window by arithmetic, no cache.  The fuzzer has every key, so the model knows every answer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "crypto/primitives.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"
#include "protocol/receipt.h"
#include "protocol/status.h"

namespace sealpost::fuzz {

struct Verdict {
  std::optional<Status> status;  // sealed; none: 403, and "refused\n"
  bool writes = false;           // whether it may leave anything in the database
  bool counted = false;          // its counter is used, so that the answer has a receipt
  std::uint64_t next = 0;        // what that receipt says
  // Its session has ended.  A gateway that still knows its keys may open it, and then say this of
  // what is inside; it admits nothing.
  std::optional<Status> instead;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// A handshake that opens, and a record that opens, as their makers know them.
struct ModelHandshake {
  Installation who;  // its nonce is in the payload
  crypto::Digest digest;
  bool small_order = false;
  Bytes payload;
  std::optional<KeyUseHmac> hmac_in_clear;
};
struct ModelRecord {
  SessionId session;
  std::uint64_t counter;
  Bytes plaintext;
  std::optional<KeyUseHmac> hmac_in_clear;
};

class Model {
 public:
  explicit Model(const Keyring& keyring) : keyring_(keyring) {}

  Time now{};
  std::optional<Epoch> epoch;  // none: it has been replaced, and nobody has heard by what
  std::map<std::string, Generation> clients;  // the generation of each name's row

  struct Used {
    crypto::Digest digest;
    Status status;
    Bytes body;
  };
  using Key = std::tuple<std::string, Generation, InstallNonce>;
  std::map<Key, std::map<std::uint64_t, Used>> used;

  struct LiveSession {
    Installation who;
    bool pending = true;
    Time until{};
    Time expires_at{};
    std::uint64_t begun = 0;  // a greater number began later
  };
  std::map<SessionId, LiveSession> sessions;

  // Steps of PROTOCOL 5.  Accepted: the caller calls begin() with what the gateway has chosen.
  [[nodiscard]] Verdict handshake(const ModelHandshake& sent);
  void begin(const ModelHandshake& sent, const SessionId& id);
  [[nodiscard]] std::uint64_t next_of(const Installation& who) const;

  // Steps 1 to 4 of PROTOCOL 6; nothing where the transaction must decide.  `who` sealed it.
  [[nodiscard]] std::optional<Verdict> before_admission(const ModelRecord& sent,
                                                        const Installation& who) const;
  // The rest, for all of a batch.
  [[nodiscard]] std::vector<Verdict> admit(const std::vector<ModelRecord>& batch);

  static constexpr Milliseconds kSessionLife = 600 * kSecond;

 private:
  [[nodiscard]] bool alive(const SessionId& id) const;
  [[nodiscard]] bool proves_rollback(const Receipt& receipt, const Installation& who) const;
  [[nodiscard]] std::optional<Verdict> admit_one(const ModelRecord& sent);
  void end_oldest_pending(const Installation& who);
  void roll_back();

  const Keyring& keyring_;
  std::map<crypto::Digest, Time> seen_;
  std::uint64_t begun_ = 0;
};

// The routes of the fuzzed gateway.
inline constexpr const char* kModelRoutes =
    "shop/* role=shop inbox\n"
    "no/* - reject\n"
    "* - inbox\n";

}  // namespace sealpost::fuzz
