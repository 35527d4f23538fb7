// What may be wrong with a home, and the mend.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "gateway/home.h"

namespace sealpost {

struct Finding {
  enum class Kind { kGood, kNote, kBroken };
  Kind kind;
  std::string what;  // a sentence, with the mend where one is needed
};

// Looks at folder, modes, keys, file of issues, file system, database, its settings as the gateway
// would set them, its integrity, and the clock against its newest row.  Never throws for what it
// finds.
[[nodiscard]] std::vector<Finding> examine(const Home& home, Time now);

}  // namespace sealpost
