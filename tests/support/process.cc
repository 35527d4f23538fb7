#include "support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <thread>

#include "support/temp_dir.h"

namespace sealpost::test {
namespace {

// Between fork and exec only async-signal-safe calls are allowed, so the lists are made before.
pid_t start(const std::vector<std::string>& arguments, int input, const std::string& out,
            const std::string& err, const std::map<std::string, std::string>& environment) {
  // This process adopts daemons that lose their parent, so that it can wait for them.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::vector<char*> list;
  for (const std::string& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
  list.push_back(nullptr);
  std::vector<std::string> assignments;
  for (const auto& [name, value] : environment) assignments.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (const std::string& one : assignments) variables.push_back(const_cast<char*>(one.c_str()));
  for (char** one = environ; *one != nullptr; ++one) variables.push_back(*one);
  variables.push_back(nullptr);

  const pid_t id = fork();
  if (id != 0) return id;
  // A root test may act as another user.  What it starts then must not be able to become root
  // again.
  const bool changed = setresgid(getegid(), getegid(), getegid()) == 0 &&
                       setresuid(geteuid(), geteuid(), geteuid()) == 0;
  if (!changed) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a test that crashes
  dup2(input >= 0 ? input : open("/dev/null", O_RDONLY), 0);
  dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
  dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
  execvpe(list[0], list.data(), variables.data());
  _exit(127);
}

}  // namespace

void eventually(const std::string& what, const std::function<bool()>& is_so) {
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (!is_so()) {
    if (Clock::now() > deadline) throw std::runtime_error("not within 20 s: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int free_port() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(file, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  close(file);
  return ntohs(address.sin_port);
}

int listen_on(const std::string& path) {
  const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(file, 512) != 0) {
    throw std::runtime_error("cannot listen on " + path + ": " + std::strerror(errno));
  }
  return file;
}

std::string program(const std::string& name) {
  const char* folder = std::getenv("SEALPOST_BIN");
  return std::string(folder == nullptr ? "build/bin" : folder) + "/" + name;
}

Process::Process(std::vector<std::string> arguments, const std::string& output,
                 const std::map<std::string, std::string>& environment, int input)
    : id_(start(arguments, input, output, output, environment)) {
  if (id_ < 0) throw std::runtime_error("cannot start " + arguments.front());
}

Process::~Process() {
  if (id_ < 0 || status_) return;
  signal(SIGTERM);
  if (!wait(std::chrono::seconds(5))) {
    signal(SIGKILL);
    wait(std::chrono::seconds(5));
  }
}

void Process::signal(int number) const {
  if (!status_) kill(id_, number);
}

bool Process::has_taken_signals() const {
  const std::string status = read_text("/proc/" + std::to_string(id_) + "/status");
  const std::size_t at = status.find("ShdPnd:");
  return at != std::string::npos && std::stoull(status.substr(at + 7), nullptr, 16) == 0;
}

std::optional<int> Process::wait(std::chrono::microseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!status_) {
    int status = 0;
    if (waitpid(id_, &status, WNOHANG) == id_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
      break;
    }
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return status_;
}

RunResult run(const std::vector<std::string>& arguments, const std::string& input) {
  const TempDir folder;
  write_text(folder / "in", input);
  const int file = open((folder / "in").c_str(), O_RDONLY | O_CLOEXEC);
  Process process(start(arguments, file, folder / "out", folder / "err", {}));
  close(file);
  const auto status = process.wait(std::chrono::seconds(60));
  if (!status) throw std::runtime_error(arguments.front() + " did not end within 60 s");
  return {*status, read_text(folder / "out"), read_text(folder / "err")};
}

}  // namespace sealpost::test
