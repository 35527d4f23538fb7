// sealpost-client probe
#include <iostream>

#include "cmd/sealpost-client/commands.h"

namespace sealpost {

int run_probe(const Options& options) {
  bool broken = false;
  probe(options.probe, [&](const CheckResult& result) {
    broken = broken || result.kind == CheckResult::Kind::kBroken;
    std::cout << line_of(result, options.json) << std::endl;
  });
  return broken ? 1 : 0;
}

}  // namespace sealpost
