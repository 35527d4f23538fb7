// The issuance log: every credential issued and every client revoked or removed, one JSON object a
// line, appended before the database changes.  It lies beside the master keys and outlives the
// database, so that an old copy of the database cannot bring a revoked client back.
//
//   {"at":1795433460000,"do":"issue","name":"client1","generation":1,"kid":1,"claims":{"role":"sensor"}}
//   {"at":1795510800000,"do":"revoke","name":"client1","generation":2,"kid":1,"claims":{"role":"sensor"}}
//
// The line of a renewal also names the former credential:
// "former":1,"former_kid":1,"former_until":1796038260000
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"
#include "crypto/primitives.h"
#include "protocol/ids.h"
#include "store/standing_credentials.h"

namespace sealpost {

struct Issuance {
  enum class Kind { kIssue, kRevoke, kRemove };
  Kind kind = Kind::kIssue;
  std::string name;
  Generation generation = 0;  // revoke and remove: one above the last that was issued
  Kid kid = 0;
  std::string claims;  // a JSON object
  Time at{};
  std::optional<FormerCredential> former;  // of a renewal with a grace
};

// How the file ends, to notice cheaply that it has changed.
struct IssuanceLogEnd {
  std::uint64_t length = 0;  // 0: the file does not exist, or is empty
  crypto::Digest last_line;  // SHA-256
};

// Appends one line and syncs it to disk.  The caller holds the write lock.  Throws Fault.
void append_issuance(const std::string& path, const Issuance& issue);

// With one fstat and one pread.  Throws Fault if the file cannot be read.
[[nodiscard]] IssuanceLogEnd end_of_issuance_log(const std::string& path);

// For each name the line with the greatest generation; of two with the same, a revocation or
// removal.  Nothing if the file does not exist.  A last
// line without its end was never acted on, and is ignored.  Throws Fault, with the line's number,
// for any other line that cannot be read.
[[nodiscard]] std::map<std::string, Issuance> read_issuance_log(const std::string& path);

// The greatest kid that any line names, 0 if none does.  Throws Fault as read_issuance_log does.
[[nodiscard]] Kid greatest_kid(const std::string& path);

}  // namespace sealpost
