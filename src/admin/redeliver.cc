#include "admin/redeliver.h"

#include "gateway/gateway.h"

namespace sealpost {

void redeliver(const SettingTexts& texts, const std::function<void(const LogEntry&)>& each) {
  (void)Settings::parse(texts);
  WorkerPool pool;
  Gateway gateway(texts, pool);
  for (;;) {
    const auto taken = gateway.claim_overdue(system_now());
    if (taken.empty()) return;
    for (const auto& one : taken) {
      one->run();
      (void)gateway.finish({&one, 1}, system_now());
      each(one->caller().entry);
    }
  }
}

}  // namespace sealpost
