// Apache with suEXEC, which runs programs as the user they belong to.  Only root can set such a
// host up: this test starts as root, starts Apache as root, and is the host's user, nobody, for all
// the rest.
#define BOOST_TEST_MODULE suexec
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "support/apache_site.h"
#include "support/server_setups.h"

namespace sealpost::test {
namespace {

void require(int result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + ": run this test as root");
}

class AsRoot {
 public:
  AsRoot() {
    require(seteuid(0), "seteuid");
    require(setegid(0), "setegid");
  }
  ~AsRoot() { leave(); }
  AsRoot(const AsRoot&) = delete;
  AsRoot& operator=(const AsRoot&) = delete;

  static void leave() {
    const passwd* nobody = getpwnam("nobody");
    require(setegid(nobody->pw_gid), "setegid");
    require(seteuid(nobody->pw_uid), "seteuid");
  }
};

// LeakSanitizer reads the process at its end, and must be its owner.
struct RootAtExit {
  ~RootAtExit() { (void)!seteuid(0); }
};
BOOST_TEST_GLOBAL_FIXTURE(RootAtExit);

// A folder of the user's below /var/www, where Debian's suEXEC runs programs, with all that the
// user needs; for as long as it lives this process is the user.
class SuexecHost {
 public:
  SuexecHost() {
    require(setgroups(0, nullptr), "setgroups");
    std::filesystem::create_directories("/var/www");
    made_log_folder_ = std::filesystem::create_directories("/var/log/apache2");  // suEXEC's
    if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("no folder " + folder_);
    copy(program(""), "bin");
    copy("htaccess", "htaccess");
    chmod(folder_.c_str(), 0755);
    const passwd* nobody = getpwnam("nobody");
    require(chown(folder_.c_str(), nobody->pw_uid, nobody->pw_gid), "chown");
    setenv("SEALPOST_BIN", (folder_ + "/bin").c_str(), 1);
    setenv("TMPDIR", folder_.c_str(), 1);
    std::filesystem::current_path(folder_);
    AsRoot::leave();
  }
  ~SuexecHost() {
    const AsRoot root;
    std::error_code ignored;
    std::filesystem::current_path("/", ignored);
    std::filesystem::remove_all(folder_, ignored);
    if (made_log_folder_) std::filesystem::remove_all("/var/log/apache2", ignored);
  }
  SuexecHost(const SuexecHost&) = delete;
  SuexecHost& operator=(const SuexecHost&) = delete;

 private:
  void copy(const std::string& from, const std::string& name) const {
    const std::string to = folder_ + "/" + name;
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
    chmod(to.c_str(), 0755);
  }

  std::string folder_ = "/var/www/sealpost-tests.XXXXXX";
  bool made_log_folder_ = false;
};
BOOST_TEST_GLOBAL_FIXTURE(SuexecHost);

ApacheOptions hosted(ApacheOptions options) {
  options.lines +=
      "LoadModule suexec_module /usr/lib/apache2/modules/mod_suexec.so\n"
      "User www-data\nGroup www-data\nSuexecUserGroup nobody nogroup\n";
  options.start = [](const std::vector<std::string>& words, const std::string& output) {
    const AsRoot root;
    return Process(words, output);
  };
  return options;
}

// An Apache that only root may end.
class SuexecSite {
 public:
  explicit SuexecSite(const ApacheOptions& options)
      : site_(std::make_unique<ApacheSite>(hosted(options))) {}
  ~SuexecSite() {
    const AsRoot root;
    site_.reset();
  }
  SuexecSite(const SuexecSite&) = delete;
  SuexecSite& operator=(const SuexecSite&) = delete;

  ApacheSite& operator*() { return *site_; }
  ApacheSite* operator->() { return site_.get(); }

 private:
  std::unique_ptr<ApacheSite> site_;
};

const Edit kLog = {"#SetEnv SSL_SEALPOST_LOG", "SetEnv SSL_SEALPOST_LOG"};

BOOST_AUTO_TEST_CASE(variables_beginning_with_ssl_pass_suexec) {
  SuexecSite site({.htaccess = "suexec.htaccess", .edits = {kLog}});
  expect_the_same_answers(*site, {.name = "suEXEC, variables"});
  struct stat log {};
  stat((site->folder / "log").c_str(), &log);
  BOOST_TEST(log.st_uid == geteuid(), "the gateway ran as the host's user");
}

BOOST_AUTO_TEST_CASE(wrapper_restores_variables_removed_by_suexec) {
  const Edit no_home = {"\nSetEnv SSL_SEALPOST_HOME", "\n#SetEnv SSL_SEALPOST_HOME"};
  SuexecSite site({.htaccess = "suexec.htaccess",
                   .edits = {kLog, no_home},
                   .program = "htaccess/sealpost-wrapper"});
  expect_the_same_answers(*site, {.name = "suEXEC, wrapper"});
}

BOOST_AUTO_TEST_CASE(mod_fcgid_settings_pass_suexec) {
  SuexecSite site({.htaccess = "fcgid.htaccess"});
  expect_the_same_answers(*site, {"suEXEC, mod_fcgid", {}, 131072, 500, false});
}

BOOST_AUTO_TEST_CASE(home_is_unknown_without_ssl_variables_or_wrapper) {
  SuexecSite site({.htaccess = "cgi.htaccess"});
  BOOST_TEST(http(site->url(), "POST", {}, "name=x&encrypted_message=EQE").status == 503);
  eventually("the log says why", [&] {
    const AsRoot root;  // whose log it is
    return site->error_log().find("SEALPOST_HOME is not set") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(suexec_does_not_run_program_writable_by_others) {
  SuexecSite site({.htaccess = "suexec.htaccess"});
  BOOST_TEST(http(site->url(), "POST", {}, "x").status == 400);
  chmod((site->docroot() + "/sealpost.fcgi").c_str(), 0775);
  BOOST_TEST(http(site->url(), "POST", {}, "x").status == 500);
}

}  // namespace
}  // namespace sealpost::test
