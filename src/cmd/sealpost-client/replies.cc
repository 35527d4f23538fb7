// sealpost-client replies, and flush --exec
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "base/files.h"
#include "base/result.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {
namespace {

// A file in memory that holds the body, to be read from its beginning.
int file_of(const std::string& body) {
  const int file = memfd_create("reply", MFD_CLOEXEC);
  std::size_t done = 0;
  while (file >= 0 && done < body.size()) {
    const ssize_t put =
        pwrite(file, body.data() + done, body.size() - done, static_cast<off_t>(done));
    if (put <= 0) throw_errno("A reply", "given to the program");
    done += static_cast<std::size_t>(put);
  }
  if (file < 0) throw_errno("A reply", "given to the program");
  return file;
}

[[noreturn]] void run_program(const std::string& program, const Reply& reply, int body) {
  setenv("SEALPOST_MESSAGE", reply.name.c_str(), 1);
  setenv("SEALPOST_TOPIC", reply.topic.c_str(), 1);
  dup2(body, STDIN_FILENO);
  execlp(program.c_str(), program.c_str(), nullptr);
  _exit(127);
}

// Returns whether the program ended with status 0.
bool give_to(const std::string& program, const Reply& reply) {
  const int body = file_of(reply.body);
  const pid_t child = fork();
  if (child == 0) run_program(program, reply, body);
  close(body);
  int status = -1;
  const bool ended = child > 0 && waitpid(child, &status, 0) == child;
  if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  report("The reply to message " + reply.name + " is kept: " + program +
         (ended && WIFEXITED(status) && WEXITSTATUS(status) == 127 ? " could not be run, or failed."
                                                                   : " failed."));
  return false;
}

}  // namespace

int replies(const Options& options) {
  open_client(options).replies([](const Reply& reply) {
    std::cout << reply.name << ' ' << reply.topic << ' ' << reply.body.size() << '\n'
              << reply.body << '\n';
    if (std::cout.flush()) return true;
    throw Fault("A reply could not be printed, and is kept. Check that the disk is not full.");
  });
  return 0;
}

int give_replies(const Options& options) {
  bool all = true;
  open_client(options).replies([&](const Reply& reply) {
    const bool given = give_to(options.exec, reply);
    all = all && given;
    return given;
  });
  return all ? 0 : 1;
}

}  // namespace sealpost
