// No program of sealpost writes a core or can be attached to.
#define BOOST_TEST_MODULE core_dump
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <regex>

#include "support/site.h"

namespace sealpost {
namespace {

using test::eventually;
using test::NginxSite;
using test::Process;
using test::read_text;
namespace fs = std::filesystem;

std::string core_limit(const std::string& limits) {
  std::smatch found;
  return std::regex_search(limits, found, std::regex("Max core file size +(\\S+)")) ? found.str(1)
                                                                                    : "?";
}

struct CoreDumpFolder {
  test::TempDir folder;
  // Starts a program of sealpost in a folder where the kernel writes cores, if it is configured so.
  [[nodiscard]] Process start(const std::vector<std::string>& words) const {
    rlimit most{};
    getrlimit(RLIMIT_CORE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_CORE, &most);
    std::vector<std::string> all = {"/usr/bin/env", "-C", folder / "cores"};
    all.insert(all.end(), words.begin(), words.end());
    return Process(all, folder / "out");
  }
  CoreDumpFolder() { fs::create_directory(folder / "cores"); }
  [[nodiscard]] bool no_core() const { return fs::is_empty(folder / "cores"); }
};

// Whether a process can be attached to or dumped.  If not, its files in /proc belong to root.
bool is_dumpable(pid_t id) {
  return access(("/proc/" + std::to_string(id) + "/environ").c_str(), R_OK) == 0;
}

BOOST_AUTO_TEST_CASE(gateway_writes_no_core) {
  const char* sanitizer = std::getenv("SEALPOST_SANITIZE");
  const bool plain =
      sanitizer == nullptr || *sanitizer == '\0';  // a sanitizer reports SIGSEGV itself
  for (const int signal : {SIGABRT, plain ? SIGSEGV : SIGQUIT}) {
    CoreDumpFolder d;
    Process gateway = d.start({"/usr/bin/spawn-fcgi", "-n", "-s", d.folder / "socket", "--",
                               test::program("sealpost.fcgi")});
    eventually("it has turned them off", [&] {
      return core_limit(read_text("/proc/" + std::to_string(gateway.id()) + "/limits")) == "0";
    });
    eventually("it cannot be looked into", [&] { return !is_dumpable(gateway.id()); });
    gateway.signal(signal);
    BOOST_TEST(gateway.wait(std::chrono::seconds(5)).value_or(0) == -signal);
    BOOST_TEST(d.no_core());
  }
}

BOOST_AUTO_TEST_CASE(control_program_writes_a_core) {
  CoreDumpFolder d;
  Process other = d.start({"/bin/sleep", "60"});
  eventually("it sleeps", [&] {
    return read_text("/proc/" + std::to_string(other.id()) + "/comm") == "sleep\n";
  });
  BOOST_TEST(is_dumpable(other.id()), "so the test above can tell");
  other.signal(SIGSEGV);
  BOOST_TEST(other.wait(std::chrono::seconds(5)).value_or(0) == -SIGSEGV);
  rlimit limit{};
  getrlimit(RLIMIT_CORE, &limit);
  // Otherwise the kernel writes cores elsewhere, and only /proc can be checked.
  const std::string pattern = read_text("/proc/sys/kernel/core_pattern");
  const bool here = pattern.find_first_of("|/") == std::string::npos && limit.rlim_max > 0;
  BOOST_TEST(d.no_core() == !here);
}

BOOST_AUTO_TEST_CASE(tools_write_no_core) {
  NginxSite site;
  CoreDumpFolder d;
  const std::string state = d.folder / "state";
  const std::string file = site.credential("client1", site.url());
  BOOST_REQUIRE(
      test::run({test::program("sealpost-client"), "--state", state, "install", file}).status == 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{test::program("sealpost"), "--home", site.home.root(), "inbox",
                                 "follow"},
        {test::program("sealpost-client"), "--state", state, "ping"}}) {
    if (words.back() == "ping") site.kill_gateways();  // it tries for a while
    Process tool = d.start(words);
    eventually(words[0] + " has turned them off", [&] {
      return core_limit(read_text("/proc/" + std::to_string(tool.id()) + "/limits")) == "0" &&
             !is_dumpable(tool.id());
    });
    tool.signal(SIGABRT);
    BOOST_TEST(tool.wait(std::chrono::seconds(5)).value_or(0) == -SIGABRT, words[0]);
    BOOST_TEST(d.no_core(), words[0]);
  }
}

}  // namespace
}  // namespace sealpost
