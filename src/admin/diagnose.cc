#include "admin/diagnose.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "base/files.h"
#include "store/clients.h"
#include "store/health.h"
#include "store/issuance_log.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;
using Kind = CheckResult::Kind;

constexpr std::uint64_t kLowDiskSpace = 64U << 20;  // bytes: eight times the WAL's largest size
constexpr auto kCgiEnds = std::chrono::seconds(2);  // a process that runs longer is FastCGI's

// Directories above a home that a web server probably serves.  Returns the sign, or nothing.
//
// Only signs that rarely mislead.  A login directory may hold an .htaccess without being served.
// Debian's /var/www holds directories that are served, beside others.
std::string sign_of_web_directory(const fs::path& directory) {
  const std::string name = directory.filename();
  if (name == "public_html" || name == "htdocs" || (name == "www" && directory != "/var/www")) {
    return "its name";
  }
  const char* login = std::getenv("HOME");
  for (const char* file : {"index.html", "index.htm", "index.php", ".htaccess"}) {
    const bool misleads =
        std::string_view(file) == ".htaccess" && login != nullptr && directory == login;
    std::error_code unreachable;
    if (!misleads && fs::exists(directory / file, unreachable)) return file;
  }
  return "";
}

class HomeChecks {
 public:
  HomeChecks(const Home& home, Time now) : home_(home), now_(now) {}

  std::vector<CheckResult> run() {
    if (!run_check([&] { check_owner(); })) return std::move(results_);
    run_check([&] { check_location(); });
    run_check([&] { check_modes(); });
    run_check([&] { check_keys(); });
    run_check([&] { check_disk_space(); });
    run_check([&] { check_database(); });
    if (home_.url().empty()) {
      add(Kind::kNote,
          "No URL is set, so credentials contain none. Run `sealpost init --url URL` to set it.");
    }
    return std::move(results_);
  }

 private:
  // SQLite and the system report some errors in several lines; a result is one line.  Two checks
  // can meet the same error.
  void add(Kind kind, std::string what) {
    std::replace(what.begin(), what.end(), '\n', ' ');
    const auto is_same = [&](const CheckResult& one) { return one.what == what; };
    if (std::none_of(results_.begin(), results_.end(), is_same)) {
      results_.push_back({kind, std::move(what)});
    }
  }

  // Turns an exception into a result.  Returns whether there was none.
  template <class Check>
  bool run_check(Check check) {
    try {
      check();
      return true;
    } catch (const std::exception& error) {
      add(Kind::kBroken, error.what());
      return false;
    }
  }

  // Nothing else can be checked if the home does not exist or belongs to another user.
  void check_owner() {
    home_.require_ours();
    if (!fs::exists(home_.root())) {
      throw Fault(home_.root() +
                  " is missing. Use --home to name a directory that `sealpost init` created.");
    }
  }

  void check_location() {
    for (fs::path above = fs::path(home_.root()).parent_path(); above.has_relative_path();
         above = above.parent_path()) {
      const std::string sign = sign_of_web_directory(above);
      if (sign.empty()) continue;
      return add(Kind::kBroken,
                 home_.root() + " is below " + above.string() +
                     ", which looks like a directory that the web server serves (" + sign +
                     "). Move the home elsewhere and set SEALPOST_HOME to the new path.");
    }
  }

  void check_modes() {
    const std::size_t before = results_.size();
    check_mode(home_.root());
    for (const auto& entry : fs::recursive_directory_iterator(
             home_.root(), fs::directory_options::skip_permission_denied)) {
      check_mode(entry.path().string());
    }
    if (results_.size() == before) {
      add(Kind::kOk, "Other users cannot access " + home_.root() + " and its files.");
    }
  }

  void check_mode(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return;  // SQLite has deleted its -wal or -shm file
    if (status.st_uid != geteuid()) {
      add(Kind::kBroken,
          path + " belongs to another user. `chown` it to the user that runs the gateway.");
    }
    if ((status.st_mode & 077) != 0 && !S_ISLNK(status.st_mode)) {
      // A handler must stay executable.
      const bool executable = S_ISDIR(status.st_mode) || (status.st_mode & S_IXUSR) != 0;
      const std::string mode = executable ? "700" : "600";
      add(Kind::kBroken, path + " is open to other users. Run `chmod " + mode + " " + path + "`.");
    }
  }

  void check_keys() {
    (void)home_.newest_kid();
    (void)home_.keyring();
    issuances_ = read_issuance_log(home_.store_paths().issuance_log);
    const std::size_t keys = home_.keys().size();
    const std::size_t issued = issuances_->size();
    add(Kind::kOk, std::to_string(keys) + (keys == 1 ? " master key; " : " master keys; ") +
                       std::to_string(issued) +
                       (issued == 1 ? " credential on record." : " credentials on record."));
  }

  void check_clients(Database& database) {
    const std::vector<Home::KeyFile> keys = home_.keys();
    for (const ClientRow& row : Clients(database).list()) {
      const bool has_key = std::any_of(keys.begin(), keys.end(),
                                       [&](const auto& key) { return key.kid == row.kid; });
      if (!has_key && !row.revoked_at) {
        add(Kind::kBroken, "Key " + std::to_string(row.kid) + " of the client " + row.name +
                               " does not exist, so the client is locked out. Restore " +
                               home_.keys_folder() + "/" + std::to_string(row.kid) +
                               ".key from a copy, or renew or revoke the client.");
      }
      if (const auto former = valid_former(row, now_)) {
        add(Kind::kNote, "The client " + row.name +
                             " still speaks under its former credential, which ends on " +
                             iso_time(former->until) + ".");
      }
      if (issuances_ && !issuances_->contains(row.name)) {
        add(Kind::kBroken, "No credential of the client " + row.name + " is on record. Restore " +
                               home_.store_paths().issuance_log +
                               " from a copy, or renew the client.");
      }
    }
  }

  void check_disk_space() {
    struct statvfs disk {};
    if (statvfs(home_.root().c_str(), &disk) != 0) throw_errno(home_.root(), "checked");
    const std::uint64_t free = disk.f_bavail * disk.f_frsize;
    const std::string space = std::to_string(free >> 20) + " MiB are free on the home's disk.";
    if (free < kLowDiskSpace) {
      add(Kind::kBroken, space +
                             " Delete files or run `sealpost inbox prune`. A quota may allow even "
                             "less.");
    } else {
      add(Kind::kOk, space);
    }
  }

  void check_database() {
    const std::uint64_t file_system = file_system_of(home_.root());
    const JournalMode journal = journal_on(file_system);
    if (!fs::exists(home_.store_paths().database)) {
      throw Fault(home_.store_paths().database +
                  " is missing. Run `sealpost restore` with a backup, or `sealpost init` to create "
                  "a new one.");
    }
    Database database(home_.store_paths(), home_.server_id());
    const Health health = check_health(database);
    const std::string mode = "journal " + journal.mode + ", synchronous " +
                             (journal.synchronous == 2 ? "FULL" : "EXTRA");
    const std::string place = "The database is on " + file_system_name(file_system);
    if (journal.mode == "wal") {
      add(Kind::kOk, place + ": " + mode + ".");
    } else {
      add(Kind::kNote, place + ", which may not be a local disk: " + mode + ", safe but slower.");
    }
    for (const std::string& damage : health.damage) {
      add(Kind::kBroken, "The database is damaged: " + damage + ". Restore a backup.");
    }
    if (health.damage.empty()) add(Kind::kOk, "The database is intact.");
    for (const std::int64_t number : health.unusable) {
      add(Kind::kBroken, "Message " + std::to_string(number) +
                             " is in progress, but a part of it is missing or cannot be read. The "
                             "gateway will mark it as failed.");
    }
    check_clock(health);
    run_check([&] { check_clients(database); });
  }

  void check_clock(const Health& health) {
    if (health.newest && *health.newest > now_ + 5 * kMinute) {
      add(Kind::kBroken, "The clock says " + iso_time(now_) +
                             ", but the newest message arrived at " + iso_time(*health.newest) +
                             ". Set the clock.");
    } else {
      add(Kind::kOk, health.newest
                         ? "The newest message arrived at " + iso_time(*health.newest) + "."
                         : std::string("No message has arrived yet."));
    }
    if (health.epoch_reason == "rollback") {
      add(Kind::kNote, "At " + iso_time(health.epoch_since) +
                           " the gateway found that the database was an old copy, and started a "
                           "new epoch.");
    }
  }

  const Home& home_;
  Time now_;
  std::optional<std::map<std::string, Issuance>> issuances_;  // empty if they cannot be read
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> examine_program(const std::string& file) {
  struct stat program {};
  struct stat directory {};
  const std::string above = fs::absolute(file).parent_path();
  if (stat(file.c_str(), &program) != 0 || stat(above.c_str(), &directory) != 0) {
    return {{Kind::kBroken, file +
                                " is missing or cannot be reached. Name the program file that the "
                                "web server runs."}};
  }
  std::vector<CheckResult> results;
  const auto broken = [&](const std::string& what) { results.push_back({Kind::kBroken, what}); };
  if (!S_ISREG(program.st_mode)) broken(file + " is not a file. Name the program file.");
  if ((program.st_mode & 0111) == 0) {
    broken(file + " is not executable. Run `chmod 755 " + file + "`.");
  }
  if (program.st_uid != geteuid() && program.st_uid != 0) {
    broken(file + " belongs to another user. suEXEC runs it only if you own it.");
  }
  if ((program.st_mode & 022) != 0) {
    broken(file + " is writable by others, so suEXEC does not run it. Run `chmod go-w " + file +
           "`.");
  }
  if ((directory.st_mode & 022) != 0) {
    broken(above + " is writable by others, so suEXEC runs no program in it. Run `chmod go-w " +
           above + "`.");
  }
  if (results.empty()) {
    results.push_back({Kind::kOk, file + " can be run, also under suEXEC."});
  }
  return results;
}

std::vector<CheckResult> examine_gateway_process(const Home& home) {
  const auto deadline = std::chrono::steady_clock::now() + kCgiEnds;
  std::optional<pid_t> holder = process_with_database_open(home.store_paths());
  while (holder && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    holder = process_with_database_open(home.store_paths());
  }
  // Without a WAL no process holds a lock between messages.
  if (journal_on(file_system_of(home.root())).mode != "wal") return {};
  return {{Kind::kOk, holder ? "The gateway runs as FastCGI: process " + std::to_string(*holder) +
                                   " keeps the database open."
                             : "The gateway runs as CGI: one process per message."}};
}

std::vector<CheckResult> examine(const Home& home, Time now) { return HomeChecks(home, now).run(); }

std::vector<std::string> paths_if_served(const std::string& root) {
  std::vector<std::string> paths;
  for (std::size_t slash = root.rfind('/'); slash != std::string::npos && slash != 0;
       slash = root.rfind('/', slash - 1)) {
    paths.push_back(root.substr(slash) + "/url");
  }
  return paths;
}

}  // namespace sealpost
