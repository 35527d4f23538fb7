#include "support/socket_site.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>

namespace sealpost::test {
namespace {

std::string type_of(const std::string& answer) {
  const std::size_t at = answer.find("Content-Type: ");
  return at == std::string::npos ? "" : answer.substr(at + 14, answer.find('\r', at) - at - 14);
}

// How many open files of a process have a name in /proc that begins with `kind`.
std::ptrdiff_t files_of(const Process& process, const std::string& kind) {
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(process.id()) + "/fd");
  return std::count_if(begin(files), end(files), [&](const auto& file) {
    std::error_code closed_meanwhile;
    return std::filesystem::read_symlink(file, closed_meanwhile).string().starts_with(kind);
  });
}

void wait_until_it_serves(const Process& process) {
  eventually("it serves", [&] { return files_of(process, "anon_inode:[eventpoll]") > 0; });
}

bool is_stopped(const Process& process) {
  const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(process.id()) +
                                                  "/task");
  return std::all_of(begin(tasks), end(tasks), [](const auto& task) {
    return read_text(task.path() / "status").find("State:\tT") != std::string::npos;
  });
}

}  // namespace

Reply GatewayConnection::post(const std::string& form) {
  open().request(form, keep_);
  const FastcgiPeer::Answer answer = peer_->read();
  if (!keep_ || !answer.ended) peer_.reset();
  if (!answer.ended) return {};
  return {answer.status(), type_of(answer.text), answer.body()};
}

FastcgiPeer& GatewayConnection::open() {
  if (!peer_) peer_ = std::make_unique<FastcgiPeer>(path_);
  return *peer_;
}

SocketSite::SocketSite(int processes, std::vector<std::string> arguments)
    : command_{program(kFaultyGateway), "--home", home.root(), "--log", folder / "log"},
      listener_(listen_on(socket())) {
  command_.insert(command_.end(), arguments.begin(), arguments.end());
  set_url("http://127.0.0.1/gate");
  for (int i = 0; i < processes; ++i) gateways.push_back(start());
}

SocketSite::~SocketSite() { close(listener_); }

Process SocketSite::start() const { return {command_, folder / "out", {}, listener_}; }

void SocketSite::stop() {
  for (const Process& one : gateways) {
    wait_until_it_serves(one);  // before that a signal is the end of any program
    one.signal(SIGTERM);
  }
  for (Process& one : gateways) BOOST_TEST(one.wait(std::chrono::seconds(10)).value_or(-1) == 0);
  gateways.clear();
  BOOST_TEST(read_text(folder / "out") == "");
}

void SocketSite::kill() {
  for (const Process& one : gateways) one.signal(SIGKILL);
  for (Process& one : gateways) one.wait(std::chrono::seconds(5));
  gateways.clear();
}

Wire SocketSite::wire() const {
  return [path = socket()](const std::string& form) {
    return GatewayConnection(path, false).post(form);
  };
}

// Stops all other gateways while one accepts its connections.
std::vector<GatewayConnection> SocketSite::connections_to_each(int count) const {
  std::vector<GatewayConnection> connections;
  for (const Process& one : gateways) {
    wait_until_it_serves(one);
    for (const Process& other : gateways) {
      if (other.id() == one.id()) continue;
      other.signal(SIGSTOP);
      eventually("it is stopped", [&] { return is_stopped(other); });
    }
    const std::ptrdiff_t before = files_of(one, "socket:");
    for (int i = 0; i < count; ++i) connections.emplace_back(socket(), true).open();
    eventually("it has accepted its connections",
               [&] { return files_of(one, "socket:") == before + count; });
    for (const Process& other : gateways) other.signal(SIGCONT);
  }
  return connections;
}

}  // namespace sealpost::test
