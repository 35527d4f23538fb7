// Handing messages over: to what a route names, by a few threads beside the gateway's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "delivery/handler.h"
#include "delivery/routes.h"

namespace sealpost {

// Hands a message to its target and waits for what comes of it.  Never throws: where this process
// lacks what it takes to do so, it is as if it had been cut short, and the message stays open.  A
// target without a handler is done at once.
[[nodiscard]] HandlerResult deliver(const Target& target, const Errand& errand,
                                    const Patience& patience);

// Threads that wait for handlers, so that nobody else has to.  Any thread may call anything.
class Pool {
 public:
  static constexpr std::size_t kQueue = 4;  // waiting handlers, as a multiple of those at work

  Pool() = default;
  // Waits for the work under way.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Room for one piece of work, until it goes or the work is done.
  class Place {
   public:
    explicit Place(Pool& pool) : pool_(&pool) {}
    ~Place() {
      if (pool_ != nullptr) pool_->leave();
    }
    Place(Place&& other) noexcept : pool_(other.pool_) { other.pool_ = nullptr; }
    Place& operator=(Place&& other) noexcept {
      std::swap(pool_, other.pool_);
      return *this;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    Pool* pool_;
  };

  // Nothing if `at_once` are at work and four times as many wait.
  [[nodiscard]] std::optional<Place> reserve(std::size_t at_once);

  // Does the work when a thread is free; the caller holds a place.
  void run(std::function<void()> work);

  // Handlers under way are cut short from now on.
  void stop() { stop_ = true; }
  [[nodiscard]] const std::atomic<bool>& stopping() const { return stop_; }

 private:
  void leave();
  void serve();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t at_once_ = 0;
  std::size_t taken_ = 0;  // places
  std::size_t idle_ = 0;   // threads
  bool closed_ = false;
  std::atomic<bool> stop_ = false;
};

}  // namespace sealpost
