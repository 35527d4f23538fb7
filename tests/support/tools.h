// The operator's and the client's command-line tools, as a test runs them.
#pragma once

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/print.h"
#include "support/says.h"
#include "support/site.h"

namespace sealpost::test {

using Arguments = std::vector<std::string>;

struct OperatorTool {
  TempDir folder;
  std::string home = folder / "home";

  OperatorTool() { BOOST_REQUIRE(run({"init", "--url", "http://127.0.0.1:1/gate"}).status == 0); }
  RunResult run(Arguments words) const {
    words.insert(words.begin(), {test::program("sealpost"), "--home", home});
    return test::run(words);
  }
};

inline void expect_exit(int status, const RunResult& ran, const std::string& word) {
  BOOST_TEST(ran.status == status, ran.err);
  BOOST_TEST(says(ran.err, word), ran.err);
  BOOST_TEST(ran.err.starts_with("sealpost"), ran.err);
  BOOST_TEST(ran.out.empty(), ran.out);
}
inline void expect_error(const RunResult& ran, const std::string& word) {
  expect_exit(1, ran, word);
}
inline void expect_usage_error(const RunResult& ran, const std::string& word) {
  expect_exit(2, ran, word);
}

inline std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

inline unsigned mode_of(const std::string& path) {
  struct stat status {};
  stat(path.c_str(), &status);
  return status.st_mode & 0777;
}

struct InstalledClient {
  NginxSite site;
  std::string state = site.folder / "state";
  std::string credential = site.credential("client1", site.url());

  RunResult tool(Arguments words, const std::string& input = "") const {
    words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
    return test::run(words, input);
  }
};

}  // namespace sealpost::test
