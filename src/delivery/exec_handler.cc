#include "delivery/exec_handler.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "base/encoding.h"

namespace sealpost {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kErrorsMax = 65'536;
constexpr int kStartPipe = 3;  // in the child, until it becomes the program
// The time between two checks of the clock, the stop flag, and whether the program has ended.
using Tick = std::chrono::microseconds;
constexpr Tick kFirstTick{25};
constexpr Tick kTick = std::chrono::milliseconds(20);

// One end of a pipe.  The destructor closes it.
class PipeEnd {
 public:
  PipeEnd() = default;
  explicit PipeEnd(int file) : file_(file) {}
  ~PipeEnd() { shut(); }
  PipeEnd(const PipeEnd&) = delete;
  PipeEnd& operator=(const PipeEnd&) = delete;
  void set(int file) { file_ = file; }
  void shut() {
    if (file_ >= 0) close(file_);
    file_ = -1;
  }
  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] bool is_open() const { return file_ >= 0; }

 private:
  int file_ = -1;
};

struct Pipe {
  PipeEnd out;
  PipeEnd in;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw Fault(std::string("cannot create a pipe for a handler: ") + std::strerror(errno));
    }
    out.set(ends[0]);
    in.set(ends[1]);
  }
};

std::vector<std::string> environment_of(const DeliveryJob& job) {
  std::vector<std::string> all = {
      "PATH=/usr/local/bin:/usr/bin:/bin",
      "SEALPOST_NAME=" + job.name,
      "SEALPOST_ROLE=" + job.claims.role(),
      "SEALPOST_TOPIC=" + job.topic,
      "SEALPOST_MESSAGE_ID=" + job.idempotency_key,
      "SEALPOST_NUMBER=" + std::to_string(job.number),
      "SEALPOST_ATTEMPT=" + std::to_string(job.attempt),
  };
  for (const auto& [key, value] : job.claims.values()) {
    if (key == "role") continue;
    std::string name = key;
    for (char& one : name) one = static_cast<char>(one >= 'a' && one <= 'z' ? one - 32 : one);
    all.push_back("SEALPOST_CLAIM_" + name + "=" + value);
  }
  return all;
}

// The handler program as a child process.  The destructor kills it and removes its process entry.
class Child {
 public:
  Child(const std::string& path, const DeliveryJob& job);
  ~Child() {
    if (id_ > 0) end();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether the program has ended.  It stays a zombie, so that its process id and its group id are
  // not used again yet.
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == id_;
  }
  // Kills the rest of its process group.  Returns its status as waitpid does.
  int end() {
    kill(-id_, SIGKILL);
    int status = 0;
    while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return status;
  }

  // Why the kernel could not run the program: an errno; 0 if it ran.  Call it after the end.
  [[nodiscard]] int start_error() {
    int error = 0;
    const ssize_t got = read(start.out.file(), &error, sizeof error);
    return got == static_cast<ssize_t>(sizeof error) ? error : 0;
  }

  Pipe input;
  Pipe output;
  Pipe errors;
  Pipe start;  // execve() closes it without a byte

 private:
  pid_t id_ = -1;
};

// All memory is allocated before the fork, because only system calls are safe in the child of a
// process with threads.
Child::Child(const std::string& path, const DeliveryJob& job) {
  std::string program = path;
  std::array<char*, 2> arguments{program.data(), nullptr};
  std::vector<std::string> variables = environment_of(job);
  std::vector<char*> environment;
  for (std::string& one : variables) environment.push_back(one.data());
  environment.push_back(nullptr);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const pid_t parent = getpid();
  const int most_files = static_cast<int>(std::min(sysconf(_SC_OPEN_MAX), 65'536L));
  sigset_t none;
  sigemptyset(&none);

  id_ = fork();
  if (id_ < 0)
    throw Fault(std::string("cannot start a process for a handler: ") + std::strerror(errno));
  if (id_ > 0) {
    setpgid(id_, id_);  // parent and child both call it, because either may run first
    input.out.shut();
    output.in.shut();
    errors.in.shut();
    fcntl(input.in.file(), F_SETFL, O_NONBLOCK);
    fcntl(output.out.file(), F_SETFL, O_NONBLOCK);
    start.in.shut();
    fcntl(errors.out.file(), F_SETFL, O_NONBLOCK);
    fcntl(start.out.file(), F_SETFL, O_NONBLOCK);
    return;
  }
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // if the gateway is killed, the handler is killed too
  if (getppid() != parent) _exit(127);
  dup2(input.out.file(), STDIN_FILENO);
  dup2(output.in.file(), STDOUT_FILENO);
  dup2(errors.in.file(), STDERR_FILENO);
  if (start.in.file() != kStartPipe) dup3(start.in.file(), kStartPipe, O_CLOEXEC);
  if (close_range(kStartPipe + 1, ~0U, 0) != 0) {
    for (int file = kStartPipe + 1; file < most_files; ++file) close(file);  // before Linux 5.9
  }
  for (int one = 1; one < NSIG; ++one)
    signal(one, SIG_DFL);  // an ignored signal would stay ignored
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (chdir(folder.c_str()) == 0) execve(program.c_str(), arguments.data(), environment.data());
  const int error = errno;
  (void)!write(kStartPipe, &error, sizeof error);
  _exit(127);
}

// Reads once and appends to `into`, which keeps at most `most` + 1 bytes: the one too many shows
// that there was more.  Returns the result of read(2).
template <class Container>
ssize_t read_some(int file, Container& into, std::size_t most) {
  std::array<char, 16384> piece;
  const ssize_t got = read(file, piece.data(), piece.size());
  const std::size_t room = most + 1 - std::min(into.size(), most + 1);
  const auto kept = std::min<std::ptrdiff_t>(std::max<ssize_t>(got, 0), static_cast<ssize_t>(room));
  into.insert(into.end(), piece.begin(), piece.begin() + kept);
  return got;
}

bool would_wait(ssize_t done) { return done < 0 && (errno == EAGAIN || errno == EINTR); }

// Reads an output that is readable, and closes it at its end.
template <class Container>
void follow(PipeEnd& output, Container& into, std::size_t most) {
  const ssize_t got = read_some(output.file(), into, most);
  if (got <= 0 && !would_wait(got)) output.shut();
}

// Reads the rest of the pipe after the program has ended.
template <class Container>
void drain(const PipeEnd& output, Container& into, std::size_t most) {
  while (output.is_open() && read_some(output.file(), into, most) > 0) {
  }
}

// Returns false if nothing is left to write or nobody reads the pipe.
bool write_some(int file, ByteView& left) {
  const ssize_t put = write(file, left.data(), left.size());
  if (put < 0) return would_wait(put);
  left = left.subspan(static_cast<std::size_t>(put));
  return !left.empty();
}

// Writes input and reads output as far as possible, after waiting for at most a tick.
void exchange(Child& child, ByteView& body, HandlerResult& result, Tick tick) {
  PipeEnd& input = child.input.in;
  PipeEnd& output = child.output.out;
  PipeEnd& errors = child.errors.out;
  // poll ignores negative descriptors
  std::array<pollfd, 3> files{
      {{input.file(), POLLOUT, 0}, {output.file(), POLLIN, 0}, {errors.file(), POLLIN, 0}}};
  const timespec time{0, static_cast<long>(std::chrono::nanoseconds(tick).count())};
  if (ppoll(files.data(), files.size(), &time, nullptr) <= 0) return;
  if (files[0].revents != 0 && !write_some(input.file(), body)) input.shut();
  if (files[1].revents != 0) follow(output, result.reply, kReplyMax);
  if (files[2].revents != 0) follow(errors, result.errors, kErrorsMax);
}

std::string first_line(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  return line.empty() ? "" : ": " + line.substr(0, 500);
}

void conclude(HandlerResult& result, int status) {
  using Kind = HandlerResult::Kind;
  if (WIFSIGNALED(status)) {
    result.why = "signal " + std::to_string(WTERMSIG(status)) + first_line(result.errors);
  } else if (WEXITSTATUS(status) != 0) {
    result.why = "exit status " + std::to_string(WEXITSTATUS(status)) + first_line(result.errors);
  } else if (result.reply.size() > kReplyMax) {
    result.why = "it wrote more than 64 KiB";
  } else {
    result.kind = Kind::kDone;
  }
}

HandlerResult not_begun(const std::string& why) {
  return {.kind = HandlerResult::Kind::kNotBegun, .why = why};
}

HandlerResult follow_to_end(Child& child, const DeliveryJob& job, const Limits& limits) {
  HandlerResult result;
  ByteView body = job.body;
  const auto deadline = Clock::now() + std::chrono::milliseconds(limits.timeout);
  if (body.empty()) child.input.in.shut();
  Tick tick = kFirstTick;
  while (!child.has_ended()) {
    if (*limits.stop) {
      result.kind = HandlerResult::Kind::kInterrupted;
      return result;
    }
    if (Clock::now() >= deadline) {
      result.why = "it was killed after " + std::to_string(limits.timeout.count()) + " ms" +
                   first_line(result.errors);
      return result;
    }
    // A program that has closed its outputs usually ends at once.
    const bool silent = !child.output.out.is_open() && !child.errors.out.is_open();
    tick = silent ? std::min(2 * tick, kTick) : kTick;
    exchange(child, body, result, tick);
    if (!silent) tick = kFirstTick;
  }
  const int status = child.end();
  if (const int error = child.start_error(); error != 0) {
    return not_begun(std::string("it cannot be run: ") + std::strerror(error));
  }
  // Descendants may still hold the pipes open; they are not waited for.
  drain(child.output.out, result.reply, kReplyMax);
  drain(child.errors.out, result.errors, kErrorsMax);
  conclude(result, status);
  return result;
}

}  // namespace

HandlerResult run_exec_handler(const std::string& path, const DeliveryJob& job,
                               const Limits& limits) {
  std::optional<Child> child;
  try {
    child.emplace(path, job);
  } catch (const std::exception& error) {
    return not_begun(error.what());
  }
  return follow_to_end(*child, job, limits);
}

}  // namespace sealpost
