// The gateways of one thread, and what the threads of a process share: one gateway for each set of
// settings that requests have come with.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>

#include "gateway/gateway.h"
#include "gateway/settings.h"

namespace sealpost {

// The handlers of a process: a pool for each set of settings.  Any thread may call any function.
class WorkerPools {
 public:
  [[nodiscard]] WorkerPool& of(const SettingTexts& settings) {
    const std::lock_guard lock(mutex_);
    return pools_[&settings];
  }
  // Lets running handlers end by themselves, and starts no further one.
  void stop_starting() {
    const std::lock_guard lock(mutex_);
    for (auto& [settings, pool] : pools_) pool.stop_starting();
  }
  // Tells every handler to end now.
  void stop() {
    const std::lock_guard lock(mutex_);
    for (auto& [settings, pool] : pools_) pool.stop();
  }

 private:
  std::mutex mutex_;
  std::map<const SettingTexts*, WorkerPool> pools_;
};

// The gateways of one thread.  Settings are interned: one address for each set (SettingsTable).
class GatewayRegistry {
 public:
  explicit GatewayRegistry(WorkerPools& pools) : pools_(pools) {}

  [[nodiscard]] Gateway& of(const SettingTexts& settings) {
    const auto found = gateways_.find(&settings);
    if (found != gateways_.end()) return found->second;
    return gateways_.try_emplace(&settings, settings, pools_.of(settings)).first->second;
  }

  // Calls work(const SettingTexts&, Gateway&) for each gateway.
  template <class Work>
  void for_each(Work work) {
    for (auto& [settings, gateway] : gateways_) work(*settings, gateway);
  }
  [[nodiscard]] bool empty() const { return gateways_.empty(); }

  [[nodiscard]] bool is_housekeeping_done() const {
    return std::all_of(gateways_.begin(), gateways_.end(),
                       [](const auto& one) { return one.second.is_housekeeping_done(); });
  }

 private:
  WorkerPools& pools_;
  std::map<const SettingTexts*, Gateway> gateways_;
};

}  // namespace sealpost
