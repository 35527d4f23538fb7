#include "store/issuance_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/result.h"

namespace sealpost {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, 3> kKinds{"issue", "revoke", "remove"};

std::string line_of(const Issuance& issue) {
  const Json json = {
      {"at", to_ms(issue.at)}, {"do", kKinds.at(static_cast<std::size_t>(issue.kind))},
      {"name", issue.name},    {"generation", issue.generation},
      {"kid", issue.kid},      {"claims", Json::parse(issue.claims)},
  };
  return json.dump() + "\n";
}

Issuance issuance_of(const std::string& line) {
  const Json json = Json::parse(line);
  Issuance issue;
  const std::string kind = json.at("do");
  const auto* found = std::find(kKinds.begin(), kKinds.end(), kind);
  issue.kind = static_cast<Issuance::Kind>(found - kKinds.begin());
  issue.name = json.at("name");
  issue.generation = json.at("generation");
  issue.kid = json.at("kid");
  issue.claims = json.at("claims").dump();
  issue.at = time_from_ms(json.at("at"));
  if (found == kKinds.end() || !is_name(issue.name) || issue.generation == 0 || issue.kid == 0) {
    throw Fault("not an issuance");
  }
  return issue;
}

// The whole file; nothing if it does not exist.
std::string read_whole(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return "";
  std::string text;
  std::array<char, 16384> piece;
  ssize_t got = file < 0 ? -1 : 1;
  while (got > 0) {
    got = read(file, piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  const int why = errno;
  if (file >= 0) close(file);
  if (got < 0) {
    throw Fault("Cannot read the issuance log " + path + ": " + std::strerror(why) +
                ". Give it to the user that the gateway runs as.");
  }
  return text;
}

bool is_issuance(const std::string& line) {
  try {
    (void)issuance_of(line);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// The lines of the file.  A crash can leave a last line without its end: it was never acted on, and
// is left out.  If it can be read all the same, a person wrote it.
std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream in(read_whole(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!in.eof() || is_issuance(line)) lines.push_back(line);
  }
  return lines;
}

void for_each_issuance(const std::string& path, const std::function<void(Issuance)>& use) {
  int number = 0;
  for (const std::string& line : lines_of(path)) {
    ++number;
    if (!is_issuance(line)) {
      throw Fault(path + ": line " + std::to_string(number) +
                  " cannot be read. Restore the file from a copy, or correct the line by hand.");
    }
    use(issuance_of(line));
  }
}

void require(bool done, const std::string& path) {
  if (!done)
    throw Fault("Cannot write the issuance log " + path + ": " + std::strerror(errno) + ".");
}

}  // namespace

void append_issuance(const std::string& path, const Issuance& issue) {
  std::size_t whole = 0;
  for (const std::string& line : lines_of(path)) whole += line.size() + 1;
  const std::string line = "\n" + line_of(issue);
  // A line that a crash cut short is overwritten.  The newline before this line may be missing, if
  // a person forgot it.
  const std::string_view text = whole == 0 ? std::string_view(line).substr(1) : line;
  const std::size_t at = whole == 0 ? 0 : whole - 1;

  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  require(file >= 0, path);
  const bool written = pwrite(file, text.data(), text.size(), static_cast<off_t>(at)) ==
                           static_cast<ssize_t>(text.size()) &&
                       ftruncate(file, static_cast<off_t>(at + text.size())) == 0 &&
                       fsync(file) == 0;
  close(file);
  require(written, path);
}

std::map<std::string, Issuance> read_issuance_log(const std::string& path) {
  std::map<std::string, Issuance> last;
  for_each_issuance(path, [&](Issuance issue) {
    auto& known = last[issue.name];
    if (issue.generation >= known.generation) known = std::move(issue);
  });
  return last;
}

Kid greatest_kid(const std::string& path) {
  Kid greatest = 0;
  for_each_issuance(path, [&](const Issuance& issue) { greatest = std::max(greatest, issue.kid); });
  return greatest;
}

}  // namespace sealpost
