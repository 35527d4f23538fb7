#include "gateway/gateway.h"

#include <algorithm>
#include <utility>

namespace sealpost {
namespace {

constexpr auto kKeptResultsInterval = std::chrono::seconds(1);

std::size_t max_body_of(const SettingTexts& texts) {
  try {
    return Settings::parse(texts).max_body;
  } catch (const Fault&) {
    return Settings{}.max_body;  // take_snapshot() reports the fault to those who can be answered
  }
}

}  // namespace

Gateway::Gateway(SettingTexts texts, WorkerPool& pool)
    : texts_(std::move(texts)), pool_(pool), max_body_(max_body_of(texts_)), log_(texts_[kLog]) {}

std::vector<Handled> Gateway::handle(std::span<const Request* const> batch, Time now) {
  std::vector<Received> received;
  received.reserve(batch.size());
  for (const Request* request : batch) received.push_back(receive(*request));  // PROTOCOL 4
  const bool has_envelope = std::any_of(received.begin(), received.end(), [](const Received& one) {
    return std::holds_alternative<Envelope>(one.content);
  });
  // A request that breaks the rules of HTTP or of the form is answered without a home.
  const SnapshotResult snapshot = has_envelope ? take_snapshot() : SnapshotResult(std::string());

  std::vector<Exchange> exchanges;
  exchanges.reserve(batch.size());
  for (const Received& one : received) {
    exchanges.push_back(open(one, snapshot, now));  // PROTOCOL 5; 6, steps 1 to 4
  }
  commit(exchanges, snapshot, now);  // PROTOCOL 6, steps 5 to 9, one transaction
  return respond(std::move(exchanges), now);
}

// PROTOCOL 4.
Gateway::Received Gateway::receive(const Request& request) {
  if (const auto rejection = check_http(request)) return {&request, *rejection};
  Result<Envelope, Reason> envelope = Envelope::parse(request.body);
  if (!envelope) return {&request, not_the_form(envelope.error())};
  return {&request, std::move(*envelope)};
}

Gateway::SnapshotResult Gateway::take_snapshot() {
  try {
    if (!resources_) {
      resources_ = std::make_unique<Resources>(Settings::parse(texts_));
      sessions_.clear();
      housekeeping_.expect_ended_keys();
    }
    return resources_->refresh();
  } catch (const std::exception& fault) {
    has_failed_ = true;
    return std::string(fault.what());
  }
}

// Logs every answer.  The caller runs the deliveries.
std::vector<Handled> Gateway::respond(std::vector<Exchange> exchanges, Time now) {
  std::vector<Handled> handled;
  handled.reserve(exchanges.size());
  for (Exchange& exchange : exchanges) {
    if (auto* delivery = std::get_if<PendingDelivery>(&exchange)) {
      handled.emplace_back(std::move(*delivery));
    } else {
      auto& answered = std::get<Answered>(exchange);
      write_log(answered, now);
      handled.emplace_back(std::move(answered.response));
    }
  }
  log_.flush();
  drop_resources_after_fault();
  return handled;
}

Answered Gateway::fail(Requester& requester, const std::exception& fault) {
  has_failed_ = true;
  return answer_fault(std::move(requester), fault.what());
}

void Gateway::drop_resources_after_fault() {
  if (std::exchange(has_failed_, false)) resources_.reset();
}

void Gateway::write_log(Answered& answered, Time now) {
  LogEntry& entry = answered.requester.entry;
  const auto spent = std::chrono::steady_clock::now() - answered.requester.arrived;
  entry.microseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  log_.request(entry, now);
  if (entry.reason == Reason::kRollback) {
    log_.alarm(
        "rollback", entry.name,
        "The database is older than what it had promised this client. A new epoch has begun; "
        "all clients start new sessions by themselves.",
        now);
  }
  housekeeping_.count(answered, now);
}

void Gateway::do_housekeeping(Time now, bool at_exit) {
  const auto since_tried = std::chrono::steady_clock::now() - kept_results_tried_at_;
  if (!kept_results_.empty() && (at_exit || since_tried >= kKeptResultsInterval)) {
    save_kept_results(now);
  }
  log_.sum_rejections(now, at_exit);
  if (resources_) housekeeping_.run(resources_->store(), sessions_, now, at_exit);
}

bool Gateway::is_housekeeping_done() const {
  if (!kept_results_.empty()) return false;
  return !resources_ || housekeeping_.is_done(resources_->store());
}

void Gateway::prepare_exit() {
  if (resources_) housekeeping_.finish(resources_->store());
}

}  // namespace sealpost
