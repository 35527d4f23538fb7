#include "store/issuance_log.h"

#include <fcntl.h>
#include <sys/stat.h>
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
constexpr std::size_t kLongestLine = 4096;  // 1,024 bytes of claims need less than 3,000

std::string line_of(const Issuance& issue) {
  Json json = {
      {"at", to_ms(issue.at)}, {"do", kKinds.at(static_cast<std::size_t>(issue.kind))},
      {"name", issue.name},    {"generation", issue.generation},
      {"kid", issue.kid},      {"claims", Json::parse(issue.claims)},
  };
  if (issue.former) {
    json["former"] = issue.former->generation;
    json["former_kid"] = issue.former->kid;
    json["former_until"] = to_ms(issue.former->until);
  }
  return json.dump() + "\n";
}

// Throws if it is none: the database would not take it either.
FormerCredential former_of(const Json& json, Generation generation) {
  const FormerCredential former{json.at("former"), json.at("former_kid"),
                                time_from_ms(json.at("former_until"))};
  if (former.generation == 0 || former.generation > generation || former.kid == 0) {
    throw Fault("not a former credential");
  }
  return former;
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
  if (json.contains("former")) issue.former = former_of(json, issue.generation);
  if (found == kKinds.end() || !is_name(issue.name) || issue.generation == 0 || issue.kid == 0) {
    throw Fault("not an issuance");
  }
  return issue;
}

Fault cannot_read(const std::string& path, int why) {
  return Fault("Cannot read the issuance log " + path + ": " + std::strerror(why) +
               ". Give it to the user that the gateway runs as.");
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
  if (got < 0) throw cannot_read(path, why);
  return text;
}

// The last line in the end of a file, without its newline.
std::string_view last_line_in(std::string_view end) {
  if (end.ends_with('\n')) end.remove_suffix(1);
  return end.substr(end.rfind('\n') + 1);
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

IssuanceLogEnd end_of_issuance_log(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return {};
  struct stat status {};
  std::array<char, kLongestLine> end{};
  ssize_t got = -1;
  if (file >= 0 && fstat(file, &status) == 0) {
    const off_t at = std::max<off_t>(status.st_size - static_cast<off_t>(end.size()), 0);
    got = pread(file, end.data(), end.size(), at);
  }
  const int why = errno;
  if (file >= 0) close(file);
  if (got < 0) throw cannot_read(path, why);
  const std::string_view line = last_line_in({end.data(), static_cast<std::size_t>(got)});
  return {static_cast<std::uint64_t>(status.st_size), crypto::sha256({bytes_of(line)})};
}

std::map<std::string, Issuance> read_issuance_log(const std::string& path) {
  std::map<std::string, Issuance> last;
  for_each_issuance(path, [&](Issuance issue) {
    auto& known = last[issue.name];
    const bool ends = issue.kind != Issuance::Kind::kIssue && issue.generation == known.generation;
    if (issue.generation > known.generation || ends) known = std::move(issue);
  });
  return last;
}

Kid greatest_kid(const std::string& path) {
  Kid greatest = 0;
  for_each_issuance(path, [&](const Issuance& issue) { greatest = std::max(greatest, issue.kid); });
  return greatest;
}

}  // namespace sealpost
