// The file of routes against a second parser, which tears it into words; each route, written again,
// is read as the same; and patterns match as a table of all prefixes says.
#include <arpa/inet.h>

#include <sstream>

#include "delivery/routes.h"
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"

namespace sealpost {
namespace {

using fuzz::require;

constexpr const char* kTopicBytes =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";

bool only(const std::string& text, const std::string& good) {
  return !text.empty() && text.find_first_not_of(good) == std::string::npos;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == ' ' || c == '\t' || c == '\r') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool naive_is_ip(const std::string& text) {
  in_addr four{};
  in6_addr six{};
  return inet_pton(AF_INET, text.c_str(), &four) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &six) == 1;
}

bool naive_is_path(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

bool naive_is_port(const std::string& text) {
  if (!only(text, "0123456789")) return false;
  const std::size_t zeros = text.find_first_not_of('0');
  if (zeros == std::string::npos || text.size() - zeros > 5) return false;
  return std::stoul(text) <= 65535;
}

// What stands behind "http ".
bool naive_is_url(const std::string& text) {
  if (text.starts_with("unix:")) {
    const std::string rest = text.substr(5);
    const std::size_t colon = rest.rfind(":/");
    const bool split = colon != std::string::npos && colon > 0;
    const std::string socket = split ? rest.substr(0, colon) : rest;
    const std::string path = split ? rest.substr(colon + 1) : "/";
    return socket.starts_with("/") && socket.size() <= 107 && naive_is_path(path);
  }
  if (!text.starts_with("http://")) return false;
  std::string host = text.substr(7);
  const std::size_t slash = host.find('/');
  if (slash != std::string::npos && !naive_is_path(host.substr(slash))) return false;
  host = host.substr(0, slash);
  std::string port;
  if (host.starts_with("[") && host.find(']') != std::string::npos) {
    port = host.substr(host.find(']') + 1);
    host = host.substr(1, host.find(']') - 1);
  } else if (host.find(':') != std::string::npos) {
    port = host.substr(host.find(':'));
    host = host.substr(0, host.find(':'));
  }
  return naive_is_ip(host) && (port.empty() || (port[0] == ':' && naive_is_port(port.substr(1))));
}

// Whether a line that says something can be read, by its words.
bool naive_is_route(const std::string& line) {
  if (line.find('\0') != std::string::npos) return false;
  std::vector<std::string> words = words_of(line);
  if (!only(words[0], std::string(kTopicBytes) + "*|")) return false;
  std::size_t at = 1;
  for (; at < words.size() && words[at] != "-" && words[at].find('=') != std::string::npos; ++at) {
    const std::string key = words[at].substr(0, words[at].find('='));
    if (!only(key, "abcdefghijklmnopqrstuvwxyz0123456789_")) return false;
  }
  if (at == 1) {
    if (words.size() < 2 || words[1] != "-") return false;
    at = 2;
  }
  if (at >= words.size()) return false;
  const std::string& kind = words[at];
  std::string rest = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  if (at + 1 >= words.size()) {
    return kind == "inbox" || kind == "reject";
  }
  for (std::size_t i = 0; i <= at; ++i) {
    rest = rest.substr(rest.find(words[i]) + words[i].size());
    rest = rest.substr(std::min(rest.find_first_not_of(" \t\r"), rest.size()));
  }
  if (kind == "exec") return rest.starts_with("/");
  if (kind == "http") return naive_is_url(rest);
  return false;
}

// matches() by a table: which prefixes of the text each prefix of the pattern can take.
bool naive_matches_one(const std::string& pattern, const std::string& text) {
  std::vector<bool> ends(text.size() + 1, false);
  ends[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (c == '*') next[i] = ends[i] || (i > 0 && next[i - 1]);
      if (c != '*' && i > 0) next[i] = ends[i - 1] && text[i - 1] == c;
    }
    ends = next;
  }
  return ends[text.size()];
}

bool naive_matches(const std::string& pattern, const std::string& text) {
  std::istringstream parts(pattern + "|");
  for (std::string part; std::getline(parts, part, '|');) {
    if (naive_matches_one(part, text)) return true;
  }
  return false;
}

std::string written(const Route& route) {
  std::string line = route.topic;
  for (const auto& [key, value] : route.claims)
    line.append(" ").append(key).append("=").append(value);
  if (route.claims.empty()) line += " -";
  return line + " " + route.to.text;
}

bool same(const Route& a, const Route& b) {
  return a.topic == b.topic && a.claims == b.claims && a.to.kind == b.to.kind &&
         a.to.program == b.to.program && a.to.address == b.to.address && a.to.port == b.to.port &&
         a.to.request_target == b.to.request_target && a.to.text == b.to.text;
}

void check_match(const Routes& routes, const std::string& topic) {
  const Claims& claims = fuzz::credential().claims;
  const Route* found = routes.match(topic, claims);
  for (const Route& route : routes.routes) {
    bool matches = naive_matches(route.topic, topic);
    for (const auto& [key, pattern] : route.claims) {
      const auto value = claims.values().find(key);
      matches = matches && value != claims.values().end() && naive_matches(pattern, value->second);
    }
    require(route.mismatch(topic, claims).empty() == matches, "a route matches as the table says");
    if (!matches) continue;
    require(found == &route, "the first that matches decides");
    return;
  }
  require(found == nullptr, "what no route matches is rejected");
}

void check_file(const std::string& text, const std::string& topic) {
  const Routes routes = Routes::parse(text);
  std::istringstream lines(text);
  std::size_t good = 0;
  std::size_t bad = 0;
  int number = 0;
  for (std::string line; std::getline(lines, line, '\n');) {
    ++number;
    const std::vector<std::string> words = words_of(line);
    if (words.empty() || words[0].starts_with("#")) continue;
    if (naive_is_route(line)) {
      require(good < routes.routes.size() && routes.routes[good].line == number, "it is a route");
      ++good;
    } else {
      require(bad < routes.complaints.size() && routes.complaints[bad].line == number,
              "it cannot be read, and is complained of");
      ++bad;
    }
  }
  require(good == routes.routes.size() && bad == routes.complaints.size(), "no line is left over");
  for (const Route& route : routes.routes) {
    const Routes again = Routes::parse(written(route));
    require(again.routes.size() == 1 && same(again.routes[0], route),
            "written again, it is the same");
  }
  check_match(routes, topic);
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // The first line is a topic that somebody sends, the rest the file.
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string topic = text.substr(0, end);
  check_file(text.substr(std::min(end + 1, text.size())), topic);
  require(matches(topic, topic) || topic.find('|') != std::string::npos, "a text matches itself");
  return 0;
}
