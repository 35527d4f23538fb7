// Rotating and retiring master keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "store/database.h"
#include "store/home.h"

namespace sealpost {

struct KeyUse {
  Kid kid;
  Time made_at;
  std::size_t clients;   // whose credential is valid under it
  std::size_t sessions;  // that have not expired
  bool issues;           // new credentials are issued under it
};

// All master keys, in ascending order.
[[nodiscard]] std::vector<KeyUse> list_keys(const Home& home, Database& database, Time now);

// Makes a master key for new credentials and returns its kid, which no key has had before.
Kid rotate_key(const Home& home, Database& database);

enum class Retire : std::uint8_t { kIfUnused, kForced };

// Deletes a master key and ends the sessions under it.
//
// Without a key the gateway can no longer send a client a sealed `revoked`.  So with kIfUnused it
// throws Fault, and names the clients, while a client has a credential or a session under the key.
// Throws Fault if the key does not exist or is the last one.
void retire_key(const Home& home, Database& database, Kid kid, Retire retire, Time now);

}  // namespace sealpost
