// What somebody who looks for trouble has found.
#pragma once

#include <string>

namespace sealpost {

struct Finding {
  enum class Kind { kGood, kNote, kBroken };
  Kind kind;
  std::string what;  // a sentence, one line, with the mend where one is needed
};

// "BROKEN  /home/me/x is open to other users: .."; or {"finding":"BROKEN","what":".."}, in ASCII.
[[nodiscard]] std::string line_of(const Finding& finding, bool as_json);

}  // namespace sealpost
