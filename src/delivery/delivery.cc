#include "delivery/delivery.h"

#include <exception>

#include "base/encoding.h"

namespace sealpost {

std::string idempotency_key(const Errand& errand) {
  return errand.name + ":" + base64url(errand.message_id);
}

HandlerResult deliver(const Target& target, const Errand& errand, const Patience& patience) {
  try {
    switch (target.kind) {
      case Target::Kind::kInbox:
        return {.kind = HandlerResult::Kind::kDone};
      case Target::Kind::kRefuse:
        return {.why = "the routes refuse it now"};
      case Target::Kind::kExec:
        return run_program(target.program, errand, patience);
      case Target::Kind::kHttp:
        return post_to(target.address, target.port, target.request_target, errand, patience);
    }
    return {};
  } catch (const std::exception& error) {
    // No descriptor, process or memory for it: our trouble, and no handler's.
    return {.kind = HandlerResult::Kind::kCutShort, .why = error.what()};
  }
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<Pool::Place> Pool::reserve(std::size_t at_once) {
  const std::lock_guard lock(mutex_);
  if (taken_ >= at_once * (1 + kQueue)) return std::nullopt;
  at_once_ = at_once;
  ++taken_;
  return Place(*this);
}

void Pool::run(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(work));
  if (idle_ < waiting_.size() && threads_.size() < at_once_) {
    threads_.emplace_back([this] { serve(); });
  }
  ready_.notify_one();
}

void Pool::leave() {
  const std::lock_guard lock(mutex_);
  --taken_;
}

void Pool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    ready_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace sealpost
