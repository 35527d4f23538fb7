// sealpost's own server with an empty gateway: every request gets the same answer at once.  Linked
// before the archives, this Gateway replaces the real one.
#include "gateway/gateway.h"

namespace sealpost {

Gateway::Gateway(SettingTexts texts, WorkerPool& pool)
    : texts_(std::move(texts)), pool_(pool), max_body_(Settings{}.max_body), log_("") {}

std::vector<Handled> Gateway::handle(std::span<const Request* const> batch, Time) {
  std::vector<Handled> handled;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    handled.emplace_back(Response{200, std::string(256, 'x'), true});
  }
  return handled;
}

void Gateway::finish(std::span<PendingDelivery* const>, Time) {}
std::vector<PendingDelivery> Gateway::claim_overdue(Time, std::size_t) { return {}; }
bool Gateway::should_claim_overdue(Time) const { return false; }
void Gateway::do_housekeeping(Time, bool) {}
bool Gateway::is_housekeeping_done() const { return true; }
void Gateway::prepare_exit() {}
void Gateway::wait_until_saved(Milliseconds) {}

}  // namespace sealpost
