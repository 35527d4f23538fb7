#include "client/replies.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/files.h"
#include "base/result.h"
#include "client/checked_file.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "sealpost client reply 1\n";

// Locks a file while it exists.
class ReadersLock {
 public:
  explicit ReadersLock(const std::string& path)
      : file_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (file_ < 0) throw_errno(path, "opened");
    if (flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    close(file_);
    throw Fault("Another process reads the replies. Try again later.");
  }
  ~ReadersLock() { close(file_); }
  ReadersLock(const ReadersLock&) = delete;
  ReadersLock& operator=(const ReadersLock&) = delete;

 private:
  int file_;
};

}  // namespace

void Replies::keep(const Reply& reply) const {
  make_private_folder(directory_ + "/replies");
  Writer content;
  content.lp8(reply.topic).put(reply.body);
  write_private_file(path(reply.name), with_checksum(kMagic, content.view()));
}

std::vector<std::string> Replies::take_each(const std::function<bool(const Reply&)>& take) const {
  std::vector<std::string> damaged;
  if (!fs::exists(directory_ + "/replies")) return damaged;
  const ReadersLock lock(path(".lock"));
  for (const std::string& name : names()) {
    const auto content = read_checked_file(path(name), kMagic);
    if (!content) {
      damaged.push_back("replies/" + name);
      continue;
    }
    Reader reader(*content);
    Reply reply;
    reply.name = name;
    reply.topic = text_of(reader.lp8());
    reply.body = text_of(reader.rest());
    if (take(reply)) fs::remove(path(name));
  }
  return damaged;
}

std::vector<std::string> Replies::names() const {
  // Times are equal within one tick of the kernel's clock; then the counters decide, shortest
  // first.
  std::vector<std::tuple<fs::file_time_type, std::size_t, std::string>> found;
  for (const auto& file : fs::directory_iterator(directory_ + "/replies")) {
    const std::string name = file.path().filename().string();
    if (name.starts_with('.')) continue;
    found.emplace_back(fs::last_write_time(file.path()), name.size(), name);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (auto& [time, size, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace sealpost
