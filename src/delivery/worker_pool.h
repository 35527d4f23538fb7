// Threads that wait for handlers, so that no loop has to.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "delivery/deliveries_at_work.h"

namespace sealpost {

// Whose job it is.
struct JobOwner {
  std::string client;
  std::string route;  // empty: its only route, which shares with no other
};

// A few threads and a bounded queue.  Any thread may call any function.
//
// Each client and each route is an owner.  No owner takes every place or every thread, so that a
// slow handler does not stop the messages of others.
class WorkerPool {
 public:
  // Jobs of one client that may wait, as a multiple of those that may run.
  static constexpr std::size_t kQueue = 4;

  WorkerPool() = default;
  // Waits for the running jobs.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Room for one job, running or waiting.  The destructor gives it back.
  class Place {
   public:
    Place(WorkerPool& pool, JobOwner owner) : pool_(&pool), owner_(std::move(owner)) {}
    ~Place() {
      if (pool_ != nullptr) pool_->release(owner_);
    }
    Place(Place&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          owner_(std::move(other.owner_)),
          since_(other.since_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(owner_, other.owner_);
      std::swap(since_, other.since_);
      return *this;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    [[nodiscard]] const JobOwner& owner() const { return owner_; }
    // How long ago it was reserved, by a clock that nobody sets.
    [[nodiscard]] std::chrono::nanoseconds age() const { return Clock::now() - since_; }

   private:
    using Clock = std::chrono::steady_clock;
    WorkerPool* pool_;
    JobOwner owner_;
    Clock::time_point since_ = Clock::now();
  };

  // Returns nothing if the job's client has its part already: `max_running` jobs that run and
  // kQueue times as many that wait.  A route's part is twice that.  Both are smaller if fewer
  // places are left for others.
  [[nodiscard]] std::optional<Place> reserve(std::size_t max_running, const JobOwner& owner);

  // Runs a job as soon as a thread is free.  The caller holds the place until the job has ended.
  // Among the waiting jobs, the one goes first whose client and route run the fewest.
  void run(const Place& place, std::function<void()> work);

  // The messages that are in hand, here or elsewhere in this process.
  [[nodiscard]] DeliveriesAtWork& at_work() { return at_work_; }

  // Lets running handlers end by themselves, and starts no further one.
  void stop_starting() { stop_starting_ = true; }
  // Tells every handler, running or not yet started, to end now.
  void stop() { stop_ = true; }
  // The flags that these set.  They live as long as the pool.
  [[nodiscard]] const std::atomic<bool>& stop_flag() const { return stop_; }
  [[nodiscard]] const std::atomic<bool>& stop_starting_flag() const { return stop_starting_; }

 private:
  // Places, as a multiple of those that one client may take.
  static constexpr std::size_t kParts = 4;

  // What an owner has.
  struct Use {
    std::size_t places = 0;
    std::size_t running = 0;
  };
  using Uses = std::map<std::string, Use>;
  struct Job {
    JobOwner owner;
    std::function<void()> work;
  };

  void release(const JobOwner& owner);
  void serve();
  std::list<Job>::iterator next_job();
  [[nodiscard]] bool has_place_for(const JobOwner& owner) const;
  [[nodiscard]] bool has_thread_for(const JobOwner& owner) const;
  static Use use_of(const Uses& uses, const std::string& key);
  void add(const JobOwner& owner, std::size_t Use::*count);
  void subtract(const JobOwner& owner, std::size_t Use::*count);

  DeliveriesAtWork at_work_;
  std::mutex mutex_;
  std::condition_variable job_ready_;
  std::list<Job> queue_;
  std::vector<std::thread> threads_;
  Uses clients_;
  Uses routes_;
  std::size_t max_running_ = 0;
  std::size_t places_taken_ = 0;
  std::size_t idle_threads_ = 0;
  bool closed_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> stop_starting_ = false;
};

// A place that is not taken before it is needed.  It can be asked again after it was taken.
class Reservation {
 public:
  // `pool` must outlive it.
  Reservation(WorkerPool& pool, std::size_t max_running, JobOwner owner)
      : pool_(&pool), max_(max_running), owner_(std::move(owner)) {}

  // Whether the place is taken now.
  [[nodiscard]] bool reserve() {
    if (!place_) place_ = pool_->reserve(max_, owner_);
    return place_.has_value();
  }
  // Whether this process has the message in hand already.
  [[nodiscard]] bool is_at_work(std::int64_t number) const {
    return pool_->at_work().contains(number);
  }
  // The place, if it was taken.
  [[nodiscard]] std::optional<WorkerPool::Place> take() { return std::exchange(place_, {}); }

 private:
  WorkerPool* pool_;
  std::size_t max_;
  JobOwner owner_;
  std::optional<WorkerPool::Place> place_;
};

}  // namespace sealpost
