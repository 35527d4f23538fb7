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
  const Snapshot current = take_snapshot();
  const Time changed_at = time_from_ms(static_cast<std::uint64_t>(current.nanoseconds / 1'000'000));
  // The distance, not the difference: after the clock was set back, changes must still be seen.
  const bool is_certain =
      reported_at_ != Time{} && distance(reported_at_, changed_at) > kClockGrain;
  if (current == last_ && is_certain) return false;
  last_ = current;
  reported_at_ = system_now();
  return true;
}

FileWatch::Snapshot FileWatch::take_snapshot() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    throw Fault("cannot read the status of " + path_ + ": " + std::strerror(errno));
  }
  return {status.st_ino, status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace sealpost
