// The issuance log: every credential issued and every client revoked or removed, one JSON object a
// line, appended before the database changes.  It lies beside the master keys and outlives the
// database, so that an old copy of the database cannot bring a revoked client back.
//
//   {"at":1795433460000,"do":"issue","name":"client1","generation":1,"kid":1,"claims":{"role":"sensor"}}
//   {"at":1795510800000,"do":"revoke","name":"client1","generation":2,"kid":1,"claims":{"role":"sensor"}}
#pragma once

#include <map>
#include <string>

#include "base/time.h"
#include "protocol/ids.h"

namespace sealpost {

struct Issuance {
  enum class Kind { kIssue, kRevoke, kRemove };
  Kind kind = Kind::kIssue;
  std::string name;
  Generation generation = 0;  // revoke and remove: one above the last that was issued
  Kid kid = 0;
  std::string claims;  // a JSON object
  Time at{};
};

// Appends one line and syncs it to disk.  The caller holds the write lock.  Throws Fault.
void append_issuance(const std::string& path, const Issuance& issue);

// For each name the line with the greatest generation.  Nothing if the file does not exist.  A last
// line without its end was never acted on, and is ignored.  Throws Fault, with the line's number,
// for any other line that cannot be read.
[[nodiscard]] std::map<std::string, Issuance> read_issuance_log(const std::string& path);

// The greatest kid that any line names, 0 if none does.  Throws Fault as read_issuance_log does.
[[nodiscard]] Kid greatest_kid(const std::string& path);

}  // namespace sealpost
