// The gateways of one thread, and what those of a process share: one for each set of settings that
// requests have come with.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>

#include "gateway/gateway.h"

namespace sealpost {

// The handlers of a process.  Any thread.
class WorkerPools {
 public:
  [[nodiscard]] WorkerPool& of(const SettingTexts& texts) {
    const std::lock_guard lock(mutex_);
    return pools_[texts];
  }
  // Handlers under way are cut short from now on.
  void stop() {
    const std::lock_guard lock(mutex_);
    for (auto& [texts, pool] : pools_) pool.stop();
  }

 private:
  std::mutex mutex_;
  std::map<SettingTexts, WorkerPool> pools_;
};

class GatewayRegistry {
 public:
  explicit GatewayRegistry(WorkerPools& pools) : pools_(pools) {}

  [[nodiscard]] Gateway& of(const SettingTexts& texts) {
    const auto found = gateways_.find(texts);
    if (found != gateways_.end()) return found->second;
    return gateways_.try_emplace(texts, texts, pools_.of(texts)).first->second;
  }

  [[nodiscard]] WorkerPool& pool_of(const SettingTexts& texts) { return pools_.of(texts); }

  void for_each(const std::function<void(const SettingTexts&, Gateway&)>& work) {
    for (auto& [texts, gateway] : gateways_) work(texts, gateway);
  }
  [[nodiscard]] bool empty() const { return gateways_.empty(); }

  [[nodiscard]] bool are_tidy() const {
    return std::all_of(gateways_.begin(), gateways_.end(),
                       [](const auto& one) { return one.second.is_tidy(); });
  }

 private:
  WorkerPools& pools_;
  std::map<SettingTexts, Gateway> gateways_;
};

}  // namespace sealpost
