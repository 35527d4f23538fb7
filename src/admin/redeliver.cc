#include "admin/redeliver.h"

#include "gateway/gateway.h"

namespace sealpost {
namespace {

Redelivery redelivery_of(const LogEntry& entry) {
  return {.delivered = entry.outcome == "accepted",
          .outcome = std::string(entry.outcome),
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
    const auto taken = gateway.claim_overdue(system_now());
    if (taken.empty()) return;
    for (const auto& one : taken) {
      one->run();
      (void)gateway.finish({&one, 1}, system_now());
      each(redelivery_of(one->caller().entry));
    }
  }
}

}  // namespace sealpost
