#include "gateway/unsettled.h"

#include "gateway/gateway.h"

namespace sealpost {

void deliver_unsettled(const SettingTexts& texts,
                       const std::function<void(const JournalEntry&)>& each) {
  (void)Settings::parse(texts);
  Pool pool;
  Gateway gateway(texts, pool);
  for (;;) {
    const auto taken = gateway.take_up(system_now());
    if (taken.empty()) return;
    for (const auto& one : taken) {
      one->run();
      (void)gateway.finish({&one, 1}, system_now());
      each(one->caller().entry);
    }
  }
}

}  // namespace sealpost
