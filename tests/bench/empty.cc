// sealpost's own transport with nothing behind it: a Gateway that answers every request at once.
// Linked before the archives, it takes the place of the real one.
#include "gateway/gateway.h"

namespace sealpost {

struct Gateway::Visit {};

Gateway::Gateway(SettingTexts texts, WorkerPool& pool)
    : texts_(std::move(texts)), pool_(pool), max_body_(settings_.max_body), log_("") {}

std::vector<Handled> Gateway::handle(std::span<const Request> batch, Time) {
  std::vector<Handled> handled(batch.size());
  for (Handled& one : handled) one.response = Response{200, std::string(256, 'x'), true};
  return handled;
}

std::vector<std::optional<Response>> Gateway::finish(
    std::span<const std::shared_ptr<PendingDelivery>> done, Time) {
  return std::vector<std::optional<Response>>(done.size());
}

std::vector<std::shared_ptr<PendingDelivery>> Gateway::claim_overdue(Time) { return {}; }
bool Gateway::should_claim_overdue(Time) const { return false; }
void Gateway::tidy(Time, bool) {}
bool Gateway::is_tidy() const { return true; }
void Gateway::trim() {}

}  // namespace sealpost
