// `sealpost doctor`: the home, the program, and the whole way from a client.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <iostream>
#include <thread>

#include "admin/diagnose.h"
#include "base/files.h"
#include "cmd/sealpost/commands.h"
#include "protocol/credential.h"
#include "store/clients.h"
#include "store/health.h"

namespace sealpost {
namespace {

using Kind = CheckResult::Kind;

constexpr const char* kName = "sealpost-doctor";    // of the client that comes and goes
constexpr auto kCgiEnds = std::chrono::seconds(2);  // after which a process that is there stays

struct Order {
  std::string url;
  std::string program;
};

// Prints what is found, and remembers whether something was broken.
class Report {
 public:
  explicit Report(bool as_json) : as_json_(as_json) {}
  void say(const CheckResult& finding) {
    broken_ = broken_ || finding.kind == Kind::kBroken;
    std::cout << line_of(finding, as_json_) << std::endl;
  }
  void say(const std::vector<CheckResult>& findings) {
    for (const CheckResult& finding : findings) say(finding);
  }
  void take_broken() { broken_ = true; }
  [[nodiscard]] bool is_broken() const { return broken_; }
  [[nodiscard]] bool as_json() const { return as_json_; }

 private:
  bool as_json_;
  bool broken_ = false;
};

// A client that is revoked when it goes, with its credential in a file of the home.
class PassingClient {
 public:
  explicit PassingClient(const CommandContext& context)
      : office_(context), file_(context.named_home().root() + "/doctor.credential") {}

  // Once.  Whatever fails after the client is in the book, it goes again.
  void issue(const std::string& url) {
    const Home home = office_.open_home();
    Database database = office_.open_database();
    Clients book(database);
    Claims claims = *Claims::of({{"role", "doctor"}});
    const Kid kid = home.newest_kid();
    const auto rows = book.list();
    const bool known =
        std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.name == kName; });
    const Generation generation = known ? book.renew(kName, kid, claims, system_now())
                                        : book.add(kName, kid, claims, system_now());
    issued_ = true;
    const crypto::SecretText text =
        Credential::issue(home.keyring(), kid, kName, generation, std::move(claims), url).json();
    write_private_file(file_, bytes_of(std::string_view(text.data(), text.size())));
  }
  ~PassingClient() {
    if (!issued_) return;
    try {
      unlink(file_.c_str());
      Database database = office_.open_database();
      Clients(database).remove(kName, system_now());
    } catch (const std::exception& error) {
      std::cerr << "sealpost: the client " << kName << " could not be revoked (" << error.what()
                << "): `sealpost client remove " << kName << "`\n";
    }
  }
  PassingClient(const PassingClient&) = delete;
  PassingClient& operator=(const PassingClient&) = delete;
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  const CommandContext& office_;
  std::string file_;
  bool issued_ = false;
};

// Where the home would be if the folder above it, or one above that, were the server's root.
std::vector<std::string> paths_if_served(const std::string& root) {
  std::vector<std::string> paths;
  for (std::size_t slash = root.rfind('/'); slash != std::string::npos && slash != 0;
       slash = root.rfind('/', slash - 1)) {
    paths.push_back(root.substr(slash) + "/url");
  }
  return paths;
}

// The client's program: beside this one, or in PATH.
std::string client_program() {
  std::array<char, 4096> self{};
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size() - 1);
  const std::string beside =
      std::filesystem::path(
          std::string(self.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))))
          .parent_path() /
      "sealpost-client";
  return access(beside.c_str(), X_OK) == 0 ? beside : "sealpost-client";
}

void run_probe(const CommandContext& context, const std::string& credential, Report& report) {
  std::vector<std::string> words{client_program(), "probe", credential};
  for (const std::string& path : paths_if_served(context.named_home().root())) {
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
    return report.say({Kind::kBroken, std::string("sealpost-client cannot be run (") +
                                          std::strerror(error) +
                                          "): put it beside sealpost, or into PATH"});
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) report.take_broken();
}

// After a message has come in: a process that stays is FastCGI's.
void say_how_it_runs(const Home& home, Report& report) {
  const auto deadline = std::chrono::steady_clock::now() + kCgiEnds;
  std::optional<pid_t> holder = process_with_database_open(home.store_paths());
  while (holder && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    holder = process_with_database_open(home.store_paths());
  }
  if (journal_on(file_system_of(home.root())).mode != "wal") return;  // nothing tells then
  report.say({Kind::kOk, holder ? "the gateway runs as FastCGI: process " +
                                      std::to_string(*holder) + " keeps the database open"
                                : "the gateway runs as CGI: a process for each message"});
}

void diagnose(const CommandContext& context, const Order& order) {
  Report report(context.json);
  report.say(examine(context.named_home(), system_now()));
  if (!order.program.empty()) report.say(examine_program(order.program));
  if (!order.url.empty() && !report.is_broken()) {
    PassingClient client(context);
    client.issue(order.url);
    run_probe(context, client.file(), report);
    if (!report.is_broken()) say_how_it_runs(context.named_home(), report);
  }
  if (report.is_broken()) throw Fault("something is broken; see the lines above");
}

}  // namespace

void add_doctor(CLI::App& app, CommandContext& context) {
  auto order = std::make_shared<Order>();
  CLI::App* doctor =
      add_list(app, context, "doctor", "look for what may be wrong", [&context, order] {
        if (!order->url.empty() && !is_gateway_url(order->url)) {
          throw CLI::ValidationError("--url " + order->url +
                                     " is not http://HOST/... or https://HOST/..., without blanks");
        }
        diagnose(context, *order);
      });
  doctor->add_option("--url", order->url,
                     "try the whole way, with a client made for it and removed again");
  doctor->add_option("--program", order->program, "the gateway's program, to look at as well");
}

}  // namespace sealpost
