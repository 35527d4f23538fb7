#include "admin/redeliver.h"

#include "gateway/gateway.h"

namespace sealpost {
namespace {

Redelivery redelivery_of(const LogEntry& entry) {
  return {.delivered = entry.outcome == LogOutcome::kAccepted,
          .outcome = std::string(text_of(entry.outcome)),
          .name = entry.name,
          .topic = entry.topic,
          .number = entry.number,
          .detail = entry.detail};
}

}  // namespace

void redeliver(const SettingTexts& texts, const std::function<void(const Redelivery&)>& each) {
  (void)Settings::parse(texts);
  WorkerPool pool;
  Gateway gateway(texts, pool);
  for (;;) {
    // One at a time: its lease begins when its handler does.
    std::vector<PendingDelivery> claimed = gateway.claim_overdue(system_now(), 1);
    if (claimed.empty()) return;
    for (PendingDelivery& delivery : claimed) {
      delivery.run();
      PendingDelivery* const done = &delivery;
      gateway.finish({&done, 1}, system_now());
      gateway.wait_until_saved(kMinute);
      each(redelivery_of(delivery.requester.entry));
    }
  }
}

}  // namespace sealpost
