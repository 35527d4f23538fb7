#include "delivery/routes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/result.h"
#include "protocol/ids.h"

namespace sealpost {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// Thrown for a line that cannot be read.
struct Unreadable {
  std::string reason;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlanks) - from + 1);
}

// Takes the first word off a line.
std::string_view take_word(std::string_view& line) {
  line = trimmed(line);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line = trimmed(line.substr(word.size()));
  return word;
}

bool consists_of(std::string_view text, bool (*is_good)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_good);
}

std::string topic_of(std::string_view word) {
  const auto is_good = [](char one) {
    return one == '*' || one == '|' || is_topic(std::string_view(&one, 1));
  };
  if (!consists_of(word, is_good)) {
    throw Unreadable{"\"" + std::string(word) +
                     "\" is not a topic: use A-Z a-z 0-9 . _ - /, with * and |"};
  }
  return std::string(word);
}

std::pair<std::string, std::string> claim_of(std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const auto is_good = [](char one) {
    return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || one == '_';
  };
  if (!consists_of(key, is_good)) {
    throw Unreadable{"\"" + std::string(word) +
                     "\" is not a claim: write key=value, with a key of a-z 0-9 _"};
  }
  return {std::string(key), std::string(word.substr(equals + 1))};
}

std::uint16_t port_of(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end || port == 0) {
    throw Unreadable{"\"" + std::string(text) + "\" is not a port from 1 to 65535"};
  }
  return port;
}

std::string request_target_of(std::string_view text) {
  if (text.empty()) return "/";
  const auto is_good = [](char one) { return one > ' ' && one < 0x7f && one != '#'; };
  if (!consists_of(text, is_good)) {
    throw Unreadable{"\"" + std::string(text) + "\" is not the path of a URL"};
  }
  return std::string(text);
}

bool is_ip(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return inet_pton(AF_INET, text.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), ignored.data()) == 1;
}

// http://ADDRESS:PORT/PATH, with an IP address, the one of version 6 in brackets.
void read_url(std::string_view text, Target& to) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  to.request_target = request_target_of(text.substr(slash));
  std::string_view authority = text.substr(0, slash);
  const bool bracketed =
      authority.starts_with('[') && authority.find(']') != std::string_view::npos;
  const std::size_t end =
      bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  to.address = authority.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
  authority.remove_prefix(bracketed ? end + 1 : end);
  if (!is_ip(to.address)) {
    throw Unreadable{"\"" + to.address + "\" is not an IP address (names are not resolved)"};
  }
  if (!authority.empty() && !authority.starts_with(':')) {
    throw Unreadable{"\"" + std::string(authority) + "\" is not a port"};
  }
  to.port = authority.empty() ? std::uint16_t{80} : port_of(authority.substr(1));
}

// unix:SOCKET:/PATH
void read_unix(std::string_view text, Target& to) {
  const std::size_t colon = text.rfind(":/");
  const bool has_path = colon != std::string_view::npos && colon > 0;
  to.address = text.substr(0, has_path ? colon : text.size());
  to.request_target = request_target_of(has_path ? text.substr(colon + 1) : "");
  if (!to.address.starts_with('/') || to.address.size() > 107) {
    throw Unreadable{"\"" + to.address + "\" is not an absolute path of a unix socket"};
  }
}

Target target_of(std::string_view rest) {
  Target to;
  to.text = trimmed(rest);
  const std::string_view kind = take_word(rest);
  if (kind == "inbox" || kind == "reject") {
    to.kind = kind == "inbox" ? Target::Kind::kInbox : Target::Kind::kReject;
    if (!rest.empty()) throw Unreadable{"nothing may follow " + std::string(kind)};
  } else if (kind == "exec") {
    to.kind = Target::Kind::kExec;
    to.program = rest;
    if (!rest.starts_with('/')) throw Unreadable{"exec needs the absolute path of a program"};
  } else if (kind == "http" && rest.starts_with("http://")) {
    to.kind = Target::Kind::kHttp;
    read_url(rest.substr(7), to);
  } else if (kind == "http" && rest.starts_with("unix:")) {
    to.kind = Target::Kind::kHttp;
    read_unix(rest.substr(5), to);
  } else if (kind == "http") {
    throw Unreadable{"http needs http://ADDRESS:PORT/PATH or unix:SOCKET:/PATH"};
  } else if (kind.empty()) {
    throw Unreadable{"the target is missing: inbox, exec, http or reject"};
  } else {
    throw Unreadable{"\"" + std::string(kind) +
                     "\" is neither a claim nor inbox, exec, http or reject"};
  }
  return to;
}

Route route_of(std::string_view line, int number) {
  // A path ends at its first zero byte, so another file would be used.
  if (line.find('\0') != std::string_view::npos) throw Unreadable{"the line contains a zero byte"};
  Route route;
  route.line = number;
  route.topic = topic_of(take_word(line));
  std::string_view rest = line;
  std::string_view word = take_word(rest);
  if (word == "-") {
    line = rest;
  } else {
    for (; word.find('=') != std::string_view::npos; word = take_word(rest)) {
      route.claims.push_back(claim_of(word));
      line = rest;
    }
    if (route.claims.empty())
      throw Unreadable{"the claims are missing: write key=value, or - for none"};
  }
  route.to = target_of(line);
  return route;
}

// Whether a pattern without | matches.  If the rest fails, the last * takes one character more.
bool matches_one(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;  // the end of what the last * matches
  for (std::size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = i;
    } else if (at < pattern.size() && pattern[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace

bool matches(std::string_view pattern, std::string_view text) {
  for (;;) {
    const std::size_t bar = pattern.find('|');
    if (matches_one(pattern.substr(0, bar), text)) return true;
    if (bar == std::string_view::npos) return false;
    pattern.remove_prefix(bar + 1);
  }
}

std::string Route::mismatch(std::string_view of_topic, const Claims& of) const {
  if (!matches(topic, of_topic)) return "the topic is not " + topic;
  for (const auto& [key, pattern] : claims) {
    const auto found = of.values().find(key);
    if (found == of.values().end()) return "there is no claim " + key;
    if (!matches(pattern, found->second)) {
      return key + " is " + found->second + ", not " + pattern;
    }
  }
  return "";
}

Routes Routes::parse(std::string_view text) {
  Routes parsed;
  parsed.routes.clear();
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    try {
      parsed.routes.push_back(route_of(line, number));
    } catch (const Unreadable& what) {
      parsed.complaints.push_back({number, what.reason});
    }
  }
  return parsed;
}

bool Routes::has_several_handlers() const {
  const auto has_handler = [](const Route& route) { return route.to.has_handler(); };
  const auto first = std::find_if(routes.begin(), routes.end(), has_handler);
  return std::any_of(first, routes.end(), [&](const Route& route) {
    return route.to.has_handler() && route.to.text != first->to.text;
  });
}

const Route* Routes::match(std::string_view topic, const Claims& claims) const {
  for (const Route& route : routes) {
    if (route.mismatch(topic, claims).empty()) return &route;
  }
  return nullptr;
}

const Routes& RoutesFile::read() {
  if (!watch_.has_changed()) return routes_;
  if (!watch_.exists()) {
    routes_ = {};
    return routes_;
  }
  std::ifstream in(path_, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in)
    throw Fault(path_ + " cannot be read: make it readable for the user that the gateway runs as");
  routes_ = Routes::parse(text);
  return routes_;
}

const Routes& RoutesFile::current() {
  const Routes& routes = read();
  if (routes.complaints.empty()) return routes;
  const Complaint& first = routes.complaints.front();
  throw Fault(path_ + ", line " + std::to_string(first.line) + ": " + first.reason +
              "; `sealpost routes check` checks the whole file");
}

}  // namespace sealpost
