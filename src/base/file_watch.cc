#include "base/file_watch.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr Milliseconds kClockGrain = 1 * kSecond;

}  // namespace

bool FileWatch::has_changed() {
  const Mark now_there = look();
  const Time changed_at =
      time_from_ms(static_cast<std::uint64_t>(now_there.nanoseconds / 1'000'000));
  // By distance: a clock that was wrong once must not make it deaf.
  const bool settled = looked_at_ != Time{} && distance(looked_at_, changed_at) > kClockGrain;
  if (now_there == mark_ && settled) return false;
  mark_ = now_there;
  looked_at_ = system_now();
  return true;
}

FileWatch::Mark FileWatch::look() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    throw Fault(path_ + " cannot be looked at: " + std::strerror(errno));
  }
  return {status.st_ino, status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace sealpost
