#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/result.h"

namespace sealpost {
namespace {

bool write_all(int file, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

void make_private_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_errno(path, "made");
}

void write_private_file(const std::string& path, ByteView bytes) {
  // A dot and the process before and behind its name: two processes may write at once, and whoever
  // lists the folder passes it over.
  const std::filesystem::path whole = path;
  const std::string unfinished =
      whole.parent_path() / ("." + whole.filename().string() + "." + std::to_string(getpid()));
  const int file = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && write_all(file, bytes) && fsync(file) == 0;
  if (file >= 0) close(file);
  if (!written) throw_errno(path, "written");
  rename_durably(unfinished, path);
}

void rename_durably(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) throw_errno(to, "written");
  const std::string folder = std::filesystem::path(to).parent_path();
  const int opened = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = opened >= 0 && fsync(opened) == 0;
  if (opened >= 0) close(opened);
  if (!synced) throw_errno(folder, "synced");
}

void throw_errno(const std::string& path, const char* what) {
  throw Fault(path + " cannot be " + what + ": " + std::strerror(errno));
}

}  // namespace sealpost
