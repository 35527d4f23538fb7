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
  std::string what;  // a sentence, one line, with the mend where one is needed
};

// Looks at folder, place, modes, keys, file of issues, file system, database, its settings as the
// gateway would set them, its integrity, the clock against its newest row, and the clients against
// keys and file of issues.  Never throws for what it finds.
[[nodiscard]] std::vector<Finding> examine(const Home& home, Time now);

}  // namespace sealpost
