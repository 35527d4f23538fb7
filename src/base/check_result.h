// What somebody who looks for trouble has found.
#pragma once

#include <string>

namespace sealpost {

struct CheckResult {
  enum class Kind { kOk, kNote, kBroken };
  Kind kind;
  std::string what;  // a sentence, one line, with the mend where one is needed
};

// "BROKEN  /home/me/x is open to other users: .."; or {"finding":"BROKEN","what":".."}, in ASCII.
[[nodiscard]] std::string line_of(const CheckResult& finding, bool as_json);

}  // namespace sealpost
