#include "delivery/worker_pool.h"

namespace sealpost {

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  job_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<WorkerPool::Place> WorkerPool::reserve(std::size_t max_running) {
  const std::lock_guard lock(mutex_);
  if (places_taken_ >= max_running * (1 + kQueue)) return std::nullopt;
  max_running_ = max_running;
  ++places_taken_;
  return Place(*this);
}

void WorkerPool::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  if (idle_threads_ < queue_.size() && threads_.size() < max_running_) {
    threads_.emplace_back([this] { serve(); });
  }
  job_ready_.notify_one();
}

void WorkerPool::release() {
  const std::lock_guard lock(mutex_);
  --places_taken_;
}

void WorkerPool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    job_ready_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    --idle_threads_;
    if (queue_.empty()) return;
    const std::function<void()> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace sealpost
