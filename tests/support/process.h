// Programs that a test starts and ends, each by its process id.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sealpost::test {

using Clock = std::chrono::steady_clock;

// Polls until `is_so` returns true.  After 20 s the test fails with `what`.
void eventually(const std::string& what, const std::function<bool()>& is_so);

// A free TCP port on 127.0.0.1.
[[nodiscard]] int free_port();

// A unix socket that listens, for gateways to inherit.
[[nodiscard]] int listen_on(const std::string& path);

// The path of a program under test: "sealpost", "sealpost.fcgi", "sealpost-client".
[[nodiscard]] std::string program(const std::string& name);
// The gateway with fault points.  Unlike the real one, it lets other processes read its /proc
// files.
inline const std::string kFaultyGateway = "../tests/faulty/sealpost.fcgi";

class Process {
 public:
  // Runs a program from $PATH; its stdout and stderr go to `output`, a file.  Its file descriptor 0
  // is `input`, or /dev/null.
  Process(std::vector<std::string> arguments, const std::string& output,
          const std::map<std::string, std::string>& environment = {}, int input = -1);
  // Adopts a child of this test or a daemon.
  explicit Process(pid_t id) : id_(id) {}
  ~Process();
  Process(Process&& other) noexcept : id_(other.id_), status_(other.status_) { other.id_ = -1; }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t id() const { return id_; }
  void signal(int number) const;
  // Whether it has received every signal that was sent to it.
  [[nodiscard]] bool has_taken_signals() const;
  // Its exit status, or minus the signal it died of; nothing if it still runs after `timeout`.
  std::optional<int> wait(std::chrono::microseconds timeout);
  [[nodiscard]] bool is_running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

 private:
  pid_t id_;
  std::optional<int> status_;
};

struct RunResult {
  int status;
  std::string out;
  std::string err;
};
// Runs a program to its end, which must come within 60 s.
RunResult run(const std::vector<std::string>& arguments, const std::string& input = "");

}  // namespace sealpost::test
