#include "server/event_queue.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr int kAcceptsAtOnce = 128;
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};  // for one read or write

void require(bool done, const char* what) {
  if (!done) throw Fault(std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

EventQueue::EventQueue(int listener)
    : listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      done_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  require(epoll_ >= 0 && stop_ >= 0 && done_ >= 0, "epoll");
  require(fcntl(listener_, F_SETFL, fcntl(listener_, F_GETFL) | O_NONBLOCK) == 0,
          "the listening socket");
  watch(EPOLL_CTL_ADD, listener_, EPOLLIN, &listener_);
  watch(EPOLL_CTL_ADD, stop_, EPOLLIN, &stop_);
  watch(EPOLL_CTL_ADD, done_, EPOLLIN, &done_);
}

EventQueue::~EventQueue() {
  connections_.clear();
  close(done_);
  close(stop_);
  close(epoll_);
}

EventQueue::Ready EventQueue::wait(int timeout) {
  std::array<epoll_event, 16> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
  // With give_back's: whoever takes a connection over sees all that was done with it before.
  const std::lock_guard lock(mutex_);
  Ready ready;
  for (int i = 0; i < count; ++i) {
    void* what = events.at(static_cast<std::size_t>(i)).data.ptr;
    if (what == &listener_) {
      ready.listener = true;
    } else if (what == &stop_) {
      ready.stop = true;
    } else if (what == &done_) {
      ready.finished = true;
    } else {
      ready.connections.push_back(static_cast<FastcgiConnection*>(what));
    }
  }
  return ready;
}

void EventQueue::accept_waiting() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const int file = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (file < 0) {
      // Out of descriptors or memory: a short rest, or the readable listener would keep us
      // spinning.
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) usleep(10'000);
      return;
    }
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    auto connection = std::make_unique<FastcgiConnection>(file);
    FastcgiConnection* key = connection.get();
    const std::lock_guard lock(mutex_);
    connections_.emplace(key, std::move(connection));
    watch(EPOLL_CTL_ADD, file, EPOLLIN | EPOLLONESHOT, key);
  }
}

void EventQueue::give_back(FastcgiConnection& connection) {
  const std::lock_guard lock(mutex_);
  watch(EPOLL_CTL_MOD, connection.file(), EPOLLIN | EPOLLONESHOT, &connection);
}

void EventQueue::forget(FastcgiConnection& connection) {
  std::unique_ptr<FastcgiConnection> gone;  // closed when the lock is free again
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(&connection);
  gone = std::move(found->second);
  connections_.erase(found);
}

void EventQueue::send(DeliveryJob job, WorkerPool& pool) {
  {
    const std::lock_guard lock(mutex_);
    ++away_;
  }
  pool.run([this, job = std::move(job)] {
    job.delivery->run();
    const std::lock_guard lock(mutex_);
    finished_.push_back(job);
    --away_;
    eventfd_write(done_, 1);
    changed_.notify_all();
  });
}

std::vector<EventQueue::DeliveryJob> EventQueue::take_finished() {
  const std::lock_guard lock(mutex_);
  eventfd_t ignored = 0;
  eventfd_read(done_, &ignored);
  return std::exchange(finished_, {});
}

bool EventQueue::wait_finished() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !finished_.empty() || away_ == 0; });
  return !finished_.empty();
}

void EventQueue::stop() const { eventfd_write(stop_, 1); }

void EventQueue::watch(int operation, int file, std::uint32_t events, void* what) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = what;
  require(epoll_ctl(epoll_, operation, file, &event) == 0, "epoll_ctl");
}

}  // namespace sealpost
