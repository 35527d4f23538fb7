#include "gateway/doctor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "store/issue_file.h"
#include "store/upkeep.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;
using Kind = Finding::Kind;

class Examination {
 public:
  Examination(const Home& home, Time now) : home_(home), now_(now) {}

  std::vector<Finding> run() {
    step([&] { look_at_modes(); });
    step([&] { look_at_keys(); });
    step([&] { look_at_database(); });
    if (home_.url().empty()) {
      say(Kind::kNote,
          "no URL is set, so credentials name none: `sealpost init --url URL` sets it");
    }
    return std::move(findings_);
  }

 private:
  void say(Kind kind, std::string what) { findings_.push_back({kind, std::move(what)}); }

  template <class Step>
  void step(Step look) {
    try {
      look();
    } catch (const std::exception& error) {
      say(Kind::kBroken, error.what());
    }
  }

  void look_at_modes() {
    home_.require_private();
    bool good = true;
    for (const auto& entry : fs::recursive_directory_iterator(home_.root())) {
      struct stat status {};
      const std::string path = entry.path().string();
      if (lstat(path.c_str(), &status) != 0) continue;  // gone since: -wal and -shm come and go
      if (status.st_uid != geteuid()) {
        say(Kind::kBroken,
            path + " belongs to another user: `chown` it to the one the gateway runs as");
        good = false;
      }
      if ((status.st_mode & 077) != 0 && !S_ISLNK(status.st_mode)) {
        say(Kind::kBroken, path + " is open to other users: `chmod go= " + path + "`");
        good = false;
      }
    }
    if (good) say(Kind::kGood, home_.root() + " and all in it is closed to other users");
  }

  void look_at_keys() {
    (void)home_.keyring();
    const auto issues = read_issues(home_.store_paths().issues);
    say(Kind::kGood, std::to_string(home_.keys().size()) +
                         " master key(s); the file of issues names " +
                         std::to_string(issues.size()) + " client(s)");
  }

  void look_at_database() {
    const std::uint64_t kind = file_system_of(home_.root());
    const JournalMode journal = journal_on(kind);
    Database database(home_.store_paths(), home_.server_id());
    const Health health = examine(database);
    const std::string how = "journal " + journal.mode + ", synchronous " +
                            (journal.synchronous == 2 ? "FULL" : "EXTRA");
    if (journal.mode == "wal") {
      say(Kind::kGood, "the database lies on " + file_system_name(kind) + ": " + how);
    } else {
      say(Kind::kNote, "the database lies on " + file_system_name(kind) +
                           ", which is not surely a local disk: " + how + ", safe but slower");
    }
    for (const std::string& damage : health.damage) {
      say(Kind::kBroken, "the database is damaged: " + damage + "; restore a backup");
    }
    if (health.damage.empty()) say(Kind::kGood, "the database is whole");
    look_at_times(health);
  }

  void look_at_times(const Health& health) {
    if (health.newest && *health.newest > now_ + 5 * kMinute) {
      say(Kind::kBroken, "the clock says " + iso_time(now_) + ", but a message came at " +
                             iso_time(*health.newest) + ": set the clock");
    } else {
      say(Kind::kGood, health.newest ? "the newest message came at " + iso_time(*health.newest)
                                     : std::string("no message has come yet"));
    }
    if (health.epoch_reason == "rollback") {
      say(Kind::kNote, "at " + iso_time(health.epoch_since) +
                           " the database had turned out to be an old copy; a new epoch began");
    }
  }

  const Home& home_;
  Time now_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> examine(const Home& home, Time now) { return Examination(home, now).run(); }

}  // namespace sealpost
