#include "base/check_result.h"

#include <nlohmann/json.hpp>

namespace sealpost {
namespace {

const char* name_of(CheckResult::Kind kind) {
  switch (kind) {
    case CheckResult::Kind::kOk:
      return "ok";
    case CheckResult::Kind::kNote:
      return "note";
    default:
      return "BROKEN";
  }
}

}  // namespace

std::string line_of(const CheckResult& result, bool as_json) {
  using Json = nlohmann::ordered_json;
  std::string name = name_of(result.kind);
  if (as_json) {
    return Json{{"finding", name}, {"what", result.what}}.dump(-1, ' ', true,
                                                               Json::error_handler_t::replace);
  }
  name.resize(8, ' ');
  return name + result.what;
}

}  // namespace sealpost
