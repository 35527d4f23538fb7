#include "support/vectors.h"

#include <fstream>

#include "base/encoding.h"
#include "support/hex.h"

namespace sealpost::test {

nlohmann::json vectors(const std::string& file) {
  std::ifstream in("tests/vectors/" + file);
  if (!in) throw std::runtime_error("tests/vectors/" + file + " is missing");
  return nlohmann::json::parse(in);
}

Bytes unhex(const std::string& text) {
  auto bytes = from_hex(text);
  if (!bytes) throw std::invalid_argument("not hexadecimal: " + text);
  return *bytes;
}

}  // namespace sealpost::test
