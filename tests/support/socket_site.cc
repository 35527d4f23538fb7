#include "support/socket_site.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>

namespace sealpost::test {
namespace {

constexpr int kBacklog = 512;

int listen_on(const std::string& path) {
  const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(file, kBacklog) != 0) {
    throw std::runtime_error("cannot listen on " + path + ": " + std::strerror(errno));
  }
  return file;
}

std::string type_of(const std::string& answer) {
  const std::size_t at = answer.find("Content-Type: ");
  return at == std::string::npos ? "" : answer.substr(at + 14, answer.find('\r', at) - at - 14);
}

std::ptrdiff_t sockets_of(const Process& process) {
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(process.id()) + "/fd");
  return std::count_if(begin(files), end(files), [](const auto& file) {
    std::error_code closed_meanwhile;
    return std::filesystem::read_symlink(file, closed_meanwhile).string().starts_with("socket:");
  });
}

}  // namespace

Reply Line::post(const std::string& form) {
  connection().request(form, keep_);
  const FastcgiPeer::Answer answer = peer_->read();
  if (!keep_ || !answer.ended) peer_.reset();
  if (!answer.ended) return {};
  return {answer.status(), type_of(answer.text), answer.body()};
}

FastcgiPeer& Line::connection() {
  if (!peer_) peer_ = std::make_unique<FastcgiPeer>(path_);
  return *peer_;
}

SocketSite::SocketSite(int processes, std::vector<std::string> arguments)
    : command_{program("sealpost.fcgi"), "--home", home.root(), "--log", folder / "log"},
      listener_(listen_on(socket())) {
  command_.insert(command_.end(), arguments.begin(), arguments.end());
  set_url("http://127.0.0.1/gate");
  for (int i = 0; i < processes; ++i) gateways.push_back(start());
}

SocketSite::~SocketSite() { close(listener_); }

Process SocketSite::start() const { return {command_, folder / "out", {}, listener_}; }

void SocketSite::stop() {
  for (const Process& one : gateways) one.signal(SIGTERM);
  for (Process& one : gateways) BOOST_TEST(one.wait(std::chrono::seconds(10)).value_or(-1) == 0);
  gateways.clear();
  BOOST_TEST(read_text(folder / "out") == "");
}

Wire SocketSite::wire() const {
  return [path = socket()](const std::string& form) { return Line(path, false).post(form); };
}

// Only one of them is awake at a time.  Its first socket is the one it listens on.
std::vector<Line> SocketSite::lines_to_each(int count) const {
  std::vector<Line> lines;
  for (const Process& one : gateways) {
    for (const Process& other : gateways) {
      if (other.id() != one.id()) other.signal(SIGSTOP);
    }
    for (int i = 0; i < count; ++i) lines.emplace_back(socket(), true).connection();
    eventually("it has taken its connections", [&] { return sockets_of(one) == 1 + count; });
    for (const Process& other : gateways) other.signal(SIGCONT);
  }
  return lines;
}

}  // namespace sealpost::test
