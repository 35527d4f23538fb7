// Threads that wait for handlers, so that no loop has to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace sealpost {

// A few threads and a bounded queue.  Any thread may call any function.
class WorkerPool {
 public:
  // Jobs that may wait, as a multiple of those that may run.
  static constexpr std::size_t kQueue = 4;

  WorkerPool() = default;
  // Waits for the running jobs.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Room for one job, running or waiting.  The destructor gives it back.
  class Place {
   public:
    explicit Place(WorkerPool& pool) : pool_(&pool) {}
    ~Place() {
      if (pool_ != nullptr) pool_->release();
    }
    Place(Place&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(pool_, other.pool_);
      return *this;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    WorkerPool* pool_;
  };

  // Returns nothing if `max_running` jobs run and kQueue times as many wait.
  [[nodiscard]] std::optional<Place> reserve(std::size_t max_running);

  // Runs a job as soon as a thread is free.  The caller holds a Place.
  void run(std::function<void()> job);

  // Tells every handler, running or not yet started, to end now.
  void stop() { stop_ = true; }
  // The flag that stop() sets.  It lives as long as the pool.
  [[nodiscard]] const std::atomic<bool>& stop_flag() const { return stop_; }

 private:
  void release();
  void serve();

  std::mutex mutex_;
  std::condition_variable job_ready_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t max_running_ = 0;
  std::size_t places_taken_ = 0;
  std::size_t idle_threads_ = 0;
  bool closed_ = false;
  std::atomic<bool> stop_ = false;
};

// A place that is not taken before it is needed.  It can be asked again after it was taken.
class Reservation {
 public:
  // `pool` must outlive it.
  Reservation(WorkerPool& pool, std::size_t max_running) : pool_(&pool), max_(max_running) {}

  // Whether the place is taken now.
  [[nodiscard]] bool reserve() {
    if (!place_) place_ = pool_->reserve(max_);
    return place_.has_value();
  }
  // The place, if it was taken.
  [[nodiscard]] std::optional<WorkerPool::Place> take() { return std::exchange(place_, {}); }

 private:
  WorkerPool* pool_;
  std::size_t max_;
  std::optional<WorkerPool::Place> place_;
};

}  // namespace sealpost
