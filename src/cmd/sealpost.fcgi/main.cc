// sealpost.fcgi: the program that a web server runs.  As CGI it answers one request; as FastCGI it
// serves requests until it is stopped.  File descriptor 0 tells which of the two it is.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "base/core_dumps.h"
#include "cmd/program.h"
#include "crypto/primitives.h"
#include "server/cgi.h"
#include "server/fastcgi.h"
#include "store/database.h"

namespace sealpost {
namespace {

constexpr const char* kProgram = "sealpost.fcgi";

struct Options {
  SettingTexts settings;
  int threads = 1;
};

std::string version() {
  return std::string("sealpost.fcgi ") + SEALPOST_VERSION + "\n" + crypto::library_version() +
         "\nSQLite " + sqlite_version();
}

// Ends the process for --help, --version and usage errors.
Options parse(int argc, char** argv) {
  Options options;
  CLI::App app(
      "sealpost.fcgi: authenticates, decrypts and stores sealed messages, each exactly once.\n"
      "A web server runs it, as CGI or FastCGI.  Its settings are SEALPOST_... variables\n"
      "or these options:");
  app.set_version_flag("--version", version());
  app.add_option("--threads", options.threads, "FastCGI: the number of threads that read requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  const auto setting = [&](const char* option, Setting which, const char* help) {
    app.add_option(option, options.settings.at(which), help);
  };
  setting("--home", kHome, "SEALPOST_HOME: the directory that `sealpost init` created");
  setting("--log", kLog, "SEALPOST_LOG: a log file (default: stderr)");
  setting("--max-body", kMaxBody,
          "SEALPOST_MAX_BODY: largest request body in bytes (default: 1048576)");
  setting("--tolerance", kTolerance,
          "SEALPOST_TOLERANCE: largest difference between clocks (default: 300s; 0: no limit)");
  setting("--session-life", kSessionLife,
          "SEALPOST_SESSION_LIFE: lifetime of a session (default: 24h)");
  setting("--handlers", kHandlers, "SEALPOST_HANDLERS: most handlers at a time (default: 8)");
  setting("--handler-timeout", kHandlerTimeout,
          "SEALPOST_HANDLER_TIMEOUT: timeout of a handler (default: 10s)");
  setting("--handler-patience", kHandlerPatience,
          "SEALPOST_HANDLER_PATIENCE: how long to retry a handler that cannot be started "
          "(default: 1h)");
  setting("--quota-messages", kQuotaMessages,
          "SEALPOST_QUOTA_MESSAGES: most messages per client and day (default: no limit)");
  setting("--quota-bytes", kQuotaBytes,
          "SEALPOST_QUOTA_BYTES: most stored bytes per client (default: no limit)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(error.get_exit_code() == 0 ? app.exit(error)
                                         : report_usage_error(kProgram, app, error));
  }
  return options;
}

// Sets what a web server may have set otherwise.  File descriptors 0 to 2 must be open, or a
// handler's pipe could become one of them.  SIGCHLD must not be ignored, or a handler's end could
// not be waited for.  SIGPIPE is ignored, so that a handler that reads nothing does not end this
// process.  SIGXFSZ is ignored, so that a log or a database at its size limit does not.
void set_up_process() {
#ifndef SEALPOST_FAULT_POINTS  // the tests read this process's /proc, which this call would close
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
  signal(SIGXFSZ, SIG_IGN);
}

int run(int argc, char** argv) {
  set_up_process();
  crypto::start_lean();
  // Most starts have no arguments, and parsing none would slow a CGI start down.
  const bool ours = argc > 1 && !arguments_are_the_clients();
  const Options options = ours ? parse(argc, argv) : Options{};
  if (is_fastcgi()) {
    serve_fastcgi(options.settings, options.threads);
    return 0;
  }
  if (std::getenv("GATEWAY_INTERFACE") == nullptr) {
    return report_usage_error(
        kProgram, "A web server must run this program, as CGI or FastCGI. See README.md.");
  }
  serve_cgi(options.settings);
  _exit(0);  // skips destructors, which have nothing left to do
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  return sealpost::run_program_main(sealpost::kProgram, argc, argv, sealpost::run);
}
