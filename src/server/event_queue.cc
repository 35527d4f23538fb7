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
constexpr timeval kSocketTimeout{.tv_sec = 5, .tv_usec = 0};  // for one read or write

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
  // The lock pairs with wait_for_request's: a loop sees all that another did with the connection.
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
      // Out of descriptors or memory.  The listener stays readable, so without a short rest this
      // loop would spin.
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) usleep(10'000);
      return;
    }
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &kSocketTimeout, sizeof kSocketTimeout);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &kSocketTimeout, sizeof kSocketTimeout);
    auto connection = std::make_unique<FastcgiConnection>(file);
    FastcgiConnection* key = connection.get();
    const std::lock_guard lock(mutex_);
    connections_.emplace(key, std::move(connection));
    watch(EPOLL_CTL_ADD, file, EPOLLIN | EPOLLONESHOT, key);
  }
}

void EventQueue::wait_for_request(FastcgiConnection& connection) {
  const std::lock_guard lock(mutex_);
  watch(EPOLL_CTL_MOD, connection.file(), EPOLLIN | EPOLLONESHOT, &connection);
}

void EventQueue::close_connection(FastcgiConnection& connection) {
  std::unique_ptr<FastcgiConnection> closed;  // its destructor runs after the lock is released
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(&connection);
  closed = std::move(found->second);
  connections_.erase(found);
}

void EventQueue::start(Delivery delivery, WorkerPool& pool) {
  {
    const std::lock_guard lock(mutex_);
    ++running_;
  }
  // A std::function must be copyable, and a delivery is not.
  auto shared = std::make_shared<Delivery>(std::move(delivery));
  pool.run(shared->pending.place.value(), [this, shared] {
    shared->pending.run();
    const std::lock_guard lock(mutex_);
    finished_.push_back(std::move(*shared));
    --running_;
    eventfd_write(done_, 1);
    changed_.notify_all();
  });
}

std::vector<EventQueue::Delivery> EventQueue::take_finished() {
  const std::lock_guard lock(mutex_);
  eventfd_t ignored = 0;
  eventfd_read(done_, &ignored);
  return std::exchange(finished_, {});
}

bool EventQueue::wait_finished() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !finished_.empty() || running_ == 0; });
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
