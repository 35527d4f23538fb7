#include "base/deadline.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include "base/result.h"

namespace sealpost {
namespace {

// The timer of a thread.  It is made once, because making one is a system call.
class Timer {
 public:
  Timer() {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // no SA_RESTART: its only effect is EINTR
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = gettid();
    if (sigaction(SIGALRM, &action, nullptr) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
      throw Fault(std::string("cannot create a timer: ") + std::strerror(errno));
    }
  }
  ~Timer() { timer_delete(timer_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(const itimerspec& when) { timer_settime(timer_, 0, &when, nullptr); }

 private:
  timer_t timer_{};
};

Timer& timer_of_this_thread() {
  thread_local Timer timer;
  return timer;
}

}  // namespace

Deadline::Deadline(Milliseconds timeout)
    : end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout)) {
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(timeout / kSecond);
  when.it_value.tv_nsec = static_cast<long>((timeout % kSecond).count() * 1'000'000 + 1);
  when.it_interval.tv_nsec = 10'000'000;
  timer_of_this_thread().set(when);
}

Deadline::~Deadline() { timer_of_this_thread().set({}); }

}  // namespace sealpost
