#include "store/issue_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/result.h"

namespace sealpost {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 3> kKinds{"issue", "revoke", "remove"};

std::string line_of(const Issue& issue) {
  const Json json = {
      {"at", issue.at},     {"do", kKinds.at(static_cast<std::size_t>(issue.kind))},
      {"name", issue.name}, {"generation", issue.generation},
      {"kid", issue.kid},   {"claims", Json::parse(issue.claims)},
  };
  return json.dump() + "\n";
}

Issue issue_of(const std::string& line) {
  const Json json = Json::parse(line);
  Issue issue;
  const std::string kind = json.at("do");
  const auto* found = std::find(kKinds.begin(), kKinds.end(), kind);
  issue.kind = static_cast<Issue::Kind>(found - kKinds.begin());
  issue.name = json.at("name");
  issue.generation = json.at("generation");
  issue.kid = json.at("kid");
  issue.claims = json.at("claims").dump();
  issue.at = json.at("at");
  if (found == kKinds.end() || !is_name(issue.name) || issue.generation == 0 || issue.kid == 0) {
    throw Fault("not an issue");
  }
  return issue;
}

void for_each_issue(const std::string& path, const std::function<void(Issue)>& use) {
  std::ifstream in(path);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (in.eof()) break;  // no newline: torn off while it was written
    try {
      use(issue_of(line));
    } catch (const std::exception&) {
      throw Fault(path + ", line " + std::to_string(number) +
                  " cannot be read: bring the file back from a copy, or mend the line by hand");
    }
  }
}

void require(bool done, const std::string& path) {
  if (!done)
    throw Fault("the file of issues " + path + " cannot be written: " + std::strerror(errno));
}

}  // namespace

void append_issue(const std::string& path, const Issue& issue) {
  std::ifstream in(path);
  const std::string before((std::istreambuf_iterator<char>(in)), {});
  const std::size_t whole = before.rfind('\n') + 1;  // npos + 1 is 0
  const std::string line = line_of(issue);

  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  require(file >= 0, path);
  // A line torn off by a crash was never acted on: the new one takes its place.
  const bool written = ftruncate(file, static_cast<off_t>(whole)) == 0 &&
                       pwrite(file, line.data(), line.size(), static_cast<off_t>(whole)) ==
                           static_cast<ssize_t>(line.size()) &&
                       fsync(file) == 0;
  close(file);
  require(written, path);
}

std::map<std::string, Issue> read_issues(const std::string& path) {
  std::map<std::string, Issue> last;
  for_each_issue(path, [&](Issue issue) {
    auto& known = last[issue.name];
    if (issue.generation >= known.generation) known = std::move(issue);
  });
  return last;
}

Kid greatest_kid(const std::string& path) {
  Kid greatest = 0;
  for_each_issue(path, [&](const Issue& issue) { greatest = std::max(greatest, issue.kid); });
  return greatest;
}

}  // namespace sealpost
