#include "admin/redeliver.h"

#include "gateway/gateway.h"

namespace sealpost {

void redeliver(const SettingTexts& texts, const std::function<void(const LogEntry&)>& each) {
  (void)Settings::parse(texts);
  WorkerPool pool;
  Gateway gateway(texts, pool);
  for (;;) {
    std::vector<PendingDelivery> claimed = gateway.claim_overdue(system_now());
    if (claimed.empty()) return;
    for (PendingDelivery& delivery : claimed) {
      delivery.run();
      PendingDelivery* const done = &delivery;
      gateway.finish({&done, 1}, system_now());
      each(delivery.requester.entry);
    }
  }
}

}  // namespace sealpost
