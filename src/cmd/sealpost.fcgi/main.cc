// sealpost.fcgi: what a web server runs.  As CGI it answers one request, as FastCGI it serves;
// which of the two it is, file descriptor 0 tells.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "base/core_dumps.h"
#include "crypto/primitives.h"
#include "server/cgi.h"
#include "server/fastcgi.h"
#include "store/database.h"

namespace sealpost {
namespace {

struct Arguments {
  SettingTexts settings;
  int threads = 1;
};

std::string version() {
  return std::string("sealpost.fcgi ") + SEALPOST_VERSION + "\n" + crypto::library_version() +
         "\nSQLite " + sqlite_version();
}

// Ends the process for --help, --version and usage errors.
Arguments parse(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Opens sealed messages that a web server hands it, and keeps each exactly once.\n"
      "A web server runs it, as CGI or FastCGI; settings come as SEALPOST_... variables,\n"
      "or here:");
  app.set_version_flag("--version", version());
  app.add_option("--threads", arguments.threads, "FastCGI: loops that take requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  const auto setting = [&](const char* option, Setting which, const char* help) {
    app.add_option(option, arguments.settings.at(which), help);
  };
  setting("--home", kHome, "SEALPOST_HOME: the folder that `sealpost init` made");
  setting("--log", kLog, "SEALPOST_LOG: a file for the log instead of stderr");
  setting("--max-body", kMaxBody, "SEALPOST_MAX_BODY: bytes of a request's body (1048576)");
  setting("--tolerance", kTolerance, "SEALPOST_TOLERANCE: of a message's time (300s; 0: any)");
  setting("--session-life", kSessionLife, "SEALPOST_SESSION_LIFE: of a session (24h)");
  setting("--handlers", kHandlers, "SEALPOST_HANDLERS: at work at once (8)");
  setting("--handler-timeout", kHandlerTimeout, "SEALPOST_HANDLER_TIMEOUT: of each (10s)");
  setting("--quota-messages", kQuotaMessages, "SEALPOST_QUOTA_MESSAGES: of a client a day (any)");
  setting("--quota-bytes", kQuotaBytes, "SEALPOST_QUOTA_BYTES: of a client's bodies kept (any)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  return arguments;
}

// What a web server may have left otherwise, and handlers need: their pipes must not become file
// descriptors 1 and 2, their ends must be waited for, and one that reads nothing must not end us.
void set_up_process() {
#ifndef SEALPOST_FAULT_POINTS  // the tests look into that one's /proc, which this would close
  forbid_core_dumps();
#endif
  umask(077);
  while (const int file = open("/dev/null", O_RDWR | O_CLOEXEC)) {
    if (file > STDERR_FILENO || file < 0) {
      if (file >= 0) close(file);
      break;
    }
  }
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

int run(int argc, char** argv) {
  set_up_process();
  crypto::start_lean();
  // Most starts have no arguments, and a CGI start should not pay for reading none.
  const bool ours = argc > 1 && !arguments_are_the_clients();
  const Arguments arguments = ours ? parse(argc, argv) : Arguments{};
  if (is_fastcgi()) {
    serve_fastcgi(arguments.settings, arguments.threads);
    return 0;
  }
  if (std::getenv("GATEWAY_INTERFACE") == nullptr) {
    std::cerr << "sealpost.fcgi: a web server must run this, as CGI or FastCGI; see --help, and "
                 "README.md "
                 "for a start\n";
    return 2;
  }
  serve_cgi(arguments.settings);
  _exit(0);  // nothing is left that a tidy end would do
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  try {
    return sealpost::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sealpost.fcgi: " << error.what() << '\n';
    return 1;
  }
}
