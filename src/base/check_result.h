// One line of the report of `sealpost doctor` or `sealpost-client doctor`.
#pragma once

#include <string>

namespace sealpost {

struct CheckResult {
  enum class Kind { kOk, kNote, kBroken };
  Kind kind;
  std::string what;  // a sentence in one line, with the remedy if one is needed
};

// "BROKEN  /home/me/x is open to other users: ..", or as JSON {"finding":"BROKEN","what":".."} in
// ASCII.
[[nodiscard]] std::string line_of(const CheckResult& result, bool as_json);

}  // namespace sealpost
