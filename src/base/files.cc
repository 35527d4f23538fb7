#include "base/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
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

// The process id keeps two writers apart.  The dot hides the file from those who list the folder.
std::string unfinished_name(const std::string& name) {
  return "." + name + "." + std::to_string(getpid());
}

// The process id at the end of an unfinished file's name, or 0 for any other name.
pid_t writer_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (!name.starts_with('.') || dot == 0 || dot == std::string_view::npos) return 0;
  pid_t writer = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + dot + 1, end, writer);
  return error == std::errc() && rest == end && writer > 0 ? writer : 0;
}

// Another process may have the same id by now, but no write takes an hour.
bool is_abandoned(const std::filesystem::directory_entry& file, pid_t writer) {
  if (kill(writer, 0) != 0 && errno == ESRCH) return true;
  std::error_code error;
  const auto written = file.last_write_time(error);
  return !error && written < std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
}

}  // namespace

void make_private_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_errno(path, "made");
}

void write_private_file(const std::string& path, ByteView bytes) {
  const std::filesystem::path whole = path;
  const std::string unfinished = whole.parent_path() / unfinished_name(whole.filename().string());
  try {
    const int file = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = file >= 0 && write_all(file, bytes) && fsync(file) == 0;
    const int error = errno;
    if (file >= 0) close(file);
    errno = error;
    if (!written) throw_errno(path, "written");
    rename_durably(unfinished, path);
  } catch (const Fault&) {
    unlink(unfinished.c_str());
    throw;
  }
}

void remove_unfinished(const std::string& folder) {
  std::error_code unreadable;
  for (const auto& file : std::filesystem::directory_iterator(folder, unreadable)) {
    const pid_t writer = writer_of(file.path().filename().string());
    if (writer != 0 && is_abandoned(file, writer)) unlink(file.path().c_str());
  }
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
