// What may be wrong with a home, and the mend.
#pragma once

#include <string>
#include <vector>

#include "base/check_result.h"
#include "base/time.h"
#include "store/home.h"

namespace sealpost {

// Looks at folder, place, modes, keys, file of issues, file system, database, its settings as the
// gateway would set them, room on its disk, its integrity, the clock against its newest row, and
// the clients against keys and file of issues.  Never throws for what it finds.
[[nodiscard]] std::vector<CheckResult> examine(const Home& home, Time now);

// Looks at the gateway's program where the web server runs it: whether it can be run, and whether
// suEXEC would.
[[nodiscard]] std::vector<CheckResult> examine_program(const std::string& file);

}  // namespace sealpost
