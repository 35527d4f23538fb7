// Entries of the issuance log.
#pragma once

#include <string>

#include "store/issuance_log.h"

namespace sealpost::test {

inline Issuance issue(const std::string& name, Generation generation,
                      Issuance::Kind kind = Issuance::Kind::kIssue) {
  return {kind, name, generation, 1, R"({"role":"r"})", time_from_ms(1000 + generation)};
}

}  // namespace sealpost::test
