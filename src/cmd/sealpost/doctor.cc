// `sealpost doctor`: checks the home, the program, and the connection from a client to the gateway.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "admin/diagnose.h"
#include "admin/temporary_client.h"
#include "cmd/sealpost/commands.h"

namespace sealpost {
namespace {

using Kind = CheckResult::Kind;

struct DoctorOptions {
  std::string url;
  std::string program;
};

// Prints results and remembers whether one was BROKEN.
class Report {
 public:
  explicit Report(bool as_json) : as_json_(as_json) {}
  void print(const CheckResult& result) {
    broken_ = broken_ || result.kind == Kind::kBroken;
    std::cout << line_of(result, as_json_) << std::endl;
  }
  void print(const std::vector<CheckResult>& results) {
    for (const CheckResult& result : results) print(result);
  }
  void set_broken() { broken_ = true; }
  [[nodiscard]] bool is_broken() const { return broken_; }
  [[nodiscard]] bool as_json() const { return as_json_; }

 private:
  bool as_json_;
  bool broken_ = false;
};

// sealpost-client in this program's directory, or else in PATH.
std::string client_program() {
  std::array<char, 4096> self{};
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size() - 1);
  const std::string sibling =
      std::filesystem::path(
          std::string(self.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))))
          .parent_path() /
      "sealpost-client";
  return access(sibling.c_str(), X_OK) == 0 ? sibling : "sealpost-client";
}

// Runs `sealpost-client probe`, which prints its own results.
void run_probe(const Home& home, const std::string& credential, Report& report) {
  std::vector<std::string> words{client_program(), "probe", credential};
  for (const std::string& path : paths_if_served(home.root())) {
    words.insert(words.end(), {"--hidden", path});
  }
  if (report.as_json()) words.emplace_back("--json");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (const int error =
          posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
      error != 0) {
    return report.print({Kind::kBroken, std::string("Cannot run sealpost-client: ") +
                                            std::strerror(error) +
                                            ". Put it beside sealpost or into PATH."});
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) report.set_broken();
}

void print_error(const std::string& message) { std::cerr << "sealpost: " << message << '\n'; }

void diagnose(const CommandContext& context, const DoctorOptions& options) {
  const Home home = context.named_home();
  Report report(context.json);
  report.print(examine(home, system_now()));
  if (!options.program.empty()) report.print(examine_program(options.program));
  if (!options.url.empty() && !report.is_broken()) {
    TemporaryClient client(home, print_error);
    client.issue(options.url, system_now());
    run_probe(home, client.credential_file(), report);
    if (!report.is_broken()) report.print(examine_gateway_process(home));
  }
  if (report.is_broken()) throw Fault("Something is BROKEN. Fix what the lines above say.");
}

}  // namespace

void add_doctor(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* doctor = add_list(app, context, "doctor",
                              "check the installation and say how to fix it", [&context, options] {
                                if (!options->url.empty()) require_gateway_url(options->url);
                                diagnose(context, *options);
                              });
  doctor->add_option("--url", options->url,
                     "send messages to the gateway as well, with a temporary client");
  doctor->add_option("--program", options->program, "check the gateway's program file as well");
}

}  // namespace sealpost
