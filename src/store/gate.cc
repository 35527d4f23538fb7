#include "store/gate.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/result.h"

namespace sealpost {
namespace {

// Interrupts a blocking call of this thread, first after `timeout`, then every 10 ms: an alarm that
// came just before the call began would otherwise be lost.
class Alarm {
 public:
  explicit Alarm(Milliseconds timeout) {
    static const bool installed = [] {
      struct sigaction action {};
      action.sa_handler = [](int) {};  // no SA_RESTART: its only effect is EINTR
      return sigaction(SIGALRM, &action, nullptr) == 0;
    }();
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = gettid();
    if (!installed || timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
      throw Fault(std::string("no timer for the gate: ") + std::strerror(errno));
    }
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(timeout / kSecond);
    when.it_value.tv_nsec = static_cast<long>(timeout % kSecond * 1'000'000 + 1);
    when.it_interval.tv_nsec = 10'000'000;
    timer_settime(timer_, 0, &when, nullptr);
  }
  ~Alarm() { timer_delete(timer_); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  timer_t timer_{};
};

}  // namespace

Gate::Gate(std::string path)
    : path_(std::move(path)), file_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (file_ < 0) {
    throw Fault("the gate " + path_ + " cannot be opened (" + std::strerror(errno) +
                "): the home must be a folder of the user the gateway runs as");
  }
}

Gate::~Gate() { close(file_); }

Gate::Hold::~Hold() {
  if (file_ >= 0) flock(file_, LOCK_UN);
}

Gate::Hold Gate::enter() {
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) return Hold(file_);
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(kTimeout);
  const Alarm alarm(kTimeout);
  while (flock(file_, LOCK_EX) != 0) {
    if (errno != EINTR) throw Fault("the gate " + path_ + ": " + std::strerror(errno));
    if (Clock::now() >= deadline) {
      throw Fault("the gate " + path_ + " was held for more than 5 s: `fuser " + path_ +
                  "` names the process that holds it");
    }
  }
  return Hold(file_);
}

bool Gate::is_current() const {
  struct stat opened {};
  struct stat named {};
  return fstat(file_, &opened) == 0 && stat(path_.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

}  // namespace sealpost
