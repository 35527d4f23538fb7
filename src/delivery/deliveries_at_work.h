// The messages that this process has in hand: their handlers run, or their results are not saved.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <utility>

namespace sealpost {

// While a message is in the set, this process does not give it to a handler again, whatever the
// wall clock says of its lease.  Any thread may call any function.
class DeliveriesAtWork {
 public:
  // Keeps a message in the set.  The set must outlive it.
  class Mark {
   public:
    Mark(DeliveriesAtWork& set, std::int64_t number) : set_(&set), number_(number) {}
    ~Mark() {
      if (set_ != nullptr) set_->remove(number_);
    }
    Mark(Mark&& other) noexcept
        : set_(std::exchange(other.set_, nullptr)), number_(other.number_) {}
    Mark& operator=(Mark&& other) noexcept {
      std::swap(set_, other.set_);
      std::swap(number_, other.number_);
      return *this;
    }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    DeliveriesAtWork* set_;
    std::int64_t number_;
  };

  [[nodiscard]] Mark add(std::int64_t number) {
    const std::lock_guard lock(mutex_);
    numbers_.insert(number);
    return {*this, number};
  }
  [[nodiscard]] bool contains(std::int64_t number) const {
    const std::lock_guard lock(mutex_);
    return numbers_.contains(number);
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return numbers_.size();
  }

 private:
  void remove(std::int64_t number) {
    const std::lock_guard lock(mutex_);
    numbers_.erase(numbers_.find(number));
  }

  mutable std::mutex mutex_;
  std::multiset<std::int64_t> numbers_;
};

}  // namespace sealpost
