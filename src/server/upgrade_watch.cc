#include "server/upgrade_watch.h"

#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace sealpost {
namespace {

// The path that was called.  /proc/self/exe would resolve a symbolic link, which an upgrade may
// change.
std::string path_of_this() {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how the kernel hands it over.
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  return name == nullptr ? "" : std::filesystem::absolute(name).string();
}

}  // namespace

UpgradeWatch::UpgradeWatch() : path_(path_of_this()), started_(look()), last_(started_) {}

bool UpgradeWatch::is_replaced() {
  const Mark current = look();
  const bool settled = current == last_;
  last_ = current;
  return settled && current.inode != 0 && current != started_;
}

UpgradeWatch::Mark UpgradeWatch::look() const {
  struct stat status {};
  if (access(path_.c_str(), X_OK) != 0 || stat(path_.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size,
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace sealpost
