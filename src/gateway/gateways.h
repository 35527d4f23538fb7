// The gateways of one thread: one for each set of settings that requests have come with.
#pragma once

#include <algorithm>
#include <map>

#include "gateway/gateway.h"

namespace sealpost {

class Gateways {
 public:
  [[nodiscard]] Gateway& of(const SettingTexts& texts) {
    return gateways_.try_emplace(texts, texts).first->second;
  }

  void write_tallies(Time now, bool at_exit) {
    for (auto& [texts, gateway] : gateways_) gateway.write_tally(now, at_exit);
  }

  [[nodiscard]] bool have_tallies() const {
    return std::any_of(gateways_.begin(), gateways_.end(),
                       [](const auto& one) { return one.second.has_tally(); });
  }

 private:
  std::map<SettingTexts, Gateway> gateways_;
};

}  // namespace sealpost
