#include "admin/diagnose.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "base/files.h"
#include "store/clients.h"
#include "store/health.h"
#include "store/issuance_log.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;
using Kind = CheckResult::Kind;

constexpr std::uint64_t kLittleRoom = 64U << 20;  // bytes: eight times what the WAL may grow to

class Examination {
 public:
  Examination(const Home& home, Time now) : home_(home), now_(now) {}

  std::vector<CheckResult> run() {
    if (!step([&] { look_at_owner(); })) return std::move(findings_);
    step([&] { look_at_place(); });
    step([&] { look_at_modes(); });
    step([&] { look_at_keys(); });
    step([&] { look_at_room(); });
    step([&] { look_at_database(); });
    if (home_.url().empty()) {
      say(Kind::kNote,
          "no URL is set, so credentials name none: `sealpost init --url URL` sets it");
    }
    return std::move(findings_);
  }

 private:
  // SQLite and the system tell some of it in several lines: a finding is one.
  void say(Kind kind, std::string what) {
    std::replace(what.begin(), what.end(), '\n', ' ');
    findings_.push_back({kind, std::move(what)});
  }

  // Whether it could look.
  template <class Step>
  bool step(Step look) {
    try {
      look();
      return true;
    } catch (const std::exception& error) {
      say(Kind::kBroken, error.what());
      return false;
    }
  }

  // Nothing more can be said of a home that is none, or another user's.
  void look_at_owner() {
    home_.require_ours();
    if (!fs::exists(home_.root())) {
      throw Fault(home_.root() +
                  " is missing: name with --home a folder that `sealpost init` made");
    }
  }

  // Only signs that hardly mislead.  A login folder may hold an .htaccess without being served, and
  // /var/www is where Debian puts folders that are served, beside others.
  void look_at_place() {
    const char* login = std::getenv("HOME");
    for (fs::path above = fs::path(home_.root()).parent_path(); above.has_relative_path();
         above = above.parent_path()) {
      std::string sign;
      const std::string name = above.filename();
      if (name == "public_html" || name == "htdocs" || (name == "www" && above != "/var/www")) {
        sign = "its name";
      }
      for (const char* file : {"index.html", "index.htm", "index.php", ".htaccess"}) {
        const bool misleads =
            std::string_view(file) == ".htaccess" && login != nullptr && above == login;
        std::error_code unreachable;
        if (!misleads && fs::exists(above / file, unreachable)) sign = file;
      }
      if (sign.empty()) continue;
      return say(Kind::kBroken, home_.root() + " lies below " + above.string() +
                                    ", which looks like a folder that the web serves (" + sign +
                                    "): move the home out of it, and name the new place in "
                                    "SEALPOST_HOME");
    }
  }

  void look_at_modes() {
    const std::size_t before = findings_.size();
    look_at_mode(home_.root());
    for (const auto& entry : fs::recursive_directory_iterator(
             home_.root(), fs::directory_options::skip_permission_denied)) {
      look_at_mode(entry.path().string());
    }
    if (findings_.size() == before) {
      say(Kind::kOk, home_.root() + " and all in it is closed to other users");
    }
  }

  void look_at_mode(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return;  // gone since: -wal and -shm come and go
    if (status.st_uid != geteuid()) {
      say(Kind::kBroken,
          path + " belongs to another user: `chown` it to the one the gateway runs as");
    }
    if ((status.st_mode & 077) != 0 && !S_ISLNK(status.st_mode)) {
      // A handler stays a program.
      const bool is_run = S_ISDIR(status.st_mode) || (status.st_mode & S_IXUSR) != 0;
      const std::string mode = is_run ? "700" : "600";
      say(Kind::kBroken, path + " is open to other users: run `chmod " + mode + " " + path + "`");
    }
  }

  void look_at_keys() {
    (void)home_.newest_kid();
    (void)home_.keyring();
    issues_ = read_issuance_log(home_.store_paths().issuance_log);
    say(Kind::kOk, std::to_string(home_.keys().size()) +
                       " master key(s); the file of issues names " +
                       std::to_string(issues_->size()) + " client(s)");
  }

  void look_at_clients(Database& database) {
    const std::vector<Home::KeyFile> keys = home_.keys();
    for (const ClientRow& row : Clients(database).list()) {
      const bool has_key = std::any_of(keys.begin(), keys.end(),
                                       [&](const auto& key) { return key.kid == row.kid; });
      if (!has_key && !row.revoked_at) {
        say(Kind::kBroken, "key " + std::to_string(row.kid) + " of the client " + row.name +
                               " is gone, so it is shut out: bring " + home_.keys_folder() + "/" +
                               std::to_string(row.kid) +
                               ".key back from a copy, or renew or revoke the client");
      }
      if (issues_ && !issues_->contains(row.name)) {
        say(Kind::kBroken, "the file of issues does not name the client " + row.name + ": bring " +
                               home_.store_paths().issuance_log +
                               " back from a copy, or renew the client");
      }
    }
  }

  void look_at_room() {
    struct statvfs disk {};
    if (statvfs(home_.root().c_str(), &disk) != 0) throw_errno(home_.root(), "looked at");
    const std::uint64_t free = disk.f_bavail * disk.f_frsize;
    const std::string room = std::to_string(free >> 20) + " MiB are free on the home's disk";
    if (free < kLittleRoom) {
      say(Kind::kBroken,
          room + ": free some, or `sealpost inbox prune`; a quota may be tighter still");
    } else {
      say(Kind::kOk, room);
    }
  }

  void look_at_database() {
    const std::uint64_t kind = file_system_of(home_.root());
    const JournalMode journal = journal_on(kind);
    if (!fs::exists(home_.store_paths().database)) {
      throw Fault(home_.store_paths().database +
                  " is missing: `sealpost restore` a backup, or `sealpost init` makes a new one");
    }
    Database database(home_.store_paths(), home_.server_id());
    const Health health = check_health(database);
    const std::string how = "journal " + journal.mode + ", synchronous " +
                            (journal.synchronous == 2 ? "FULL" : "EXTRA");
    if (journal.mode == "wal") {
      say(Kind::kOk, "the database lies on " + file_system_name(kind) + ": " + how);
    } else {
      say(Kind::kNote, "the database lies on " + file_system_name(kind) +
                           ", which is not surely a local disk: " + how + ", safe but slower");
    }
    for (const std::string& damage : health.damage) {
      say(Kind::kBroken, "the database is damaged: " + damage + "; restore a backup");
    }
    if (health.damage.empty()) say(Kind::kOk, "the database is whole");
    look_at_times(health);
    step([&] { look_at_clients(database); });
  }

  void look_at_times(const Health& health) {
    if (health.newest && *health.newest > now_ + 5 * kMinute) {
      say(Kind::kBroken, "the clock says " + iso_time(now_) + ", but a message came at " +
                             iso_time(*health.newest) + ": set the clock");
    } else {
      say(Kind::kOk, health.newest ? "the newest message came at " + iso_time(*health.newest)
                                   : std::string("no message has come yet"));
    }
    if (health.epoch_reason == "rollback") {
      say(Kind::kNote, "at " + iso_time(health.epoch_since) +
                           " the database had turned out to be an old copy; a new epoch began");
    }
  }

  const Home& home_;
  Time now_;
  std::optional<std::map<std::string, Issuance>> issues_;  // if they could be read
  std::vector<CheckResult> findings_;
};

}  // namespace

std::vector<CheckResult> examine_program(const std::string& file) {
  struct stat program {};
  struct stat folder {};
  const std::string above = fs::absolute(file).parent_path();
  if (stat(file.c_str(), &program) != 0 || stat(above.c_str(), &folder) != 0) {
    return {{Kind::kBroken, file +
                                " is missing, or cannot be reached: name the program where the web "
                                "server runs it"}};
  }
  std::vector<CheckResult> findings;
  const auto broken = [&](const std::string& what) { findings.push_back({Kind::kBroken, what}); };
  if (!S_ISREG(program.st_mode)) broken(file + " is no file");
  if ((program.st_mode & 0111) == 0) broken(file + " is not executable: `chmod 755 " + file + "`");
  if (program.st_uid != geteuid() && program.st_uid != 0) {
    broken(file + " belongs to another user: under suEXEC it must be yours");
  }
  if ((program.st_mode & 022) != 0) {
    broken(file + " can be written by others, so suEXEC refuses it: `chmod go-w " + file + "`");
  }
  if ((folder.st_mode & 022) != 0) {
    broken(above + " can be written by others, so suEXEC refuses what is in it: `chmod go-w " +
           above + "`");
  }
  if (findings.empty()) findings.push_back({Kind::kOk, file + " can be run, under suEXEC, too"});
  return findings;
}

std::vector<CheckResult> examine(const Home& home, Time now) {
  return Examination(home, now).run();
}

}  // namespace sealpost
