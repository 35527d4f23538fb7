#include "delivery/worker_pool.h"

#include <algorithm>

namespace sealpost {

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  job_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<WorkerPool::Place> WorkerPool::reserve(std::size_t max_running,
                                                     const JobOwner& owner) {
  const std::lock_guard lock(mutex_);
  max_running_ = max_running;
  if (!has_place_for(owner)) return std::nullopt;
  ++places_taken_;
  add(owner, &Use::places);
  return std::optional<Place>(std::in_place, *this, owner);
}

void WorkerPool::run(const Place& place, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({place.owner(), std::move(work)});
  if (idle_threads_ < queue_.size() && threads_.size() < max_running_) {
    threads_.emplace_back([this] { serve(); });
  }
  job_ready_.notify_one();
}

void WorkerPool::release(const JobOwner& owner) {
  const std::lock_guard lock(mutex_);
  --places_taken_;
  subtract(owner, &Use::places);
}

void WorkerPool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    job_ready_.wait(lock, [&] { return closed_ || next_job() != queue_.end(); });
    --idle_threads_;
    const auto next = next_job();
    if (next == queue_.end()) return;
    Job job = std::move(*next);
    queue_.erase(next);
    add(job.owner, &Use::running);
    lock.unlock();
    std::exchange(job.work, nullptr)();
    lock.lock();
    subtract(job.owner, &Use::running);
    // This thread takes a job that may run now.  A second one may, too: of the route's.
    job_ready_.notify_one();
  }
}

// An owner has at most as many places as it leaves, so that something is always left for the next
// one.
bool WorkerPool::has_place_for(const JobOwner& owner) const {
  const std::size_t part = max_running_ * (1 + kQueue);
  const std::size_t left = kParts * part - std::min(kParts * part, places_taken_);
  const std::size_t of_client = use_of(clients_, owner.client).places;
  if (owner.route.empty()) return of_client < std::min(part, left);
  const std::size_t of_route = use_of(routes_, owner.route).places;
  const std::size_t left_in_route = 2 * part - std::min(2 * part, of_route);
  return of_route < left && of_client < std::min({part, left, left_in_route});
}

// Some threads stay for others, because a running handler cannot be put aside.
bool WorkerPool::has_thread_for(const JobOwner& owner) const {
  const std::size_t most_of_client = max_running_ - (max_running_ + 3) / 4;
  const std::size_t most_of_route = max_running_ - 1;
  const auto has_less = [](const Use& use, std::size_t most) {
    return use.running < std::max<std::size_t>(1, most);
  };
  return has_less(use_of(clients_, owner.client), most_of_client) &&
         (owner.route.empty() || has_less(use_of(routes_, owner.route), most_of_route));
}

// The first job among those whose client and route run the fewest.
std::list<WorkerPool::Job>::iterator WorkerPool::next_job() {
  auto next = queue_.end();
  std::size_t fewest = 0;
  for (auto job = queue_.begin(); job != queue_.end(); ++job) {
    if (!closed_ && !has_thread_for(job->owner)) continue;
    const std::size_t running =
        use_of(clients_, job->owner.client).running + use_of(routes_, job->owner.route).running;
    if (next != queue_.end() && running >= fewest) continue;
    next = job;
    fewest = running;
  }
  return next;
}

WorkerPool::Use WorkerPool::use_of(const Uses& uses, const std::string& key) {
  const auto found = uses.find(key);
  return found == uses.end() ? Use{} : found->second;
}

void WorkerPool::add(const JobOwner& owner, std::size_t Use::*count) {
  ++(clients_[owner.client].*count);
  ++(routes_[owner.route].*count);
}

void WorkerPool::subtract(const JobOwner& owner, std::size_t Use::*count) {
  const auto from = [&](Uses& uses, const std::string& key) {
    const auto found = uses.find(key);
    --(found->second.*count);
    if (found->second.places == 0 && found->second.running == 0) uses.erase(found);
  };
  from(clients_, owner.client);
  from(routes_, owner.route);
}

}  // namespace sealpost
