#include "fuzz/http.h"

#include "fuzz/fuzz.h"
#include "protocol/envelope.h"

namespace sealpost::fuzz {
namespace {

constexpr std::uint64_t kDefaultMaxBody = 1U << 20;

std::string value_of(const Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

bool is_form(std::string type) {
  type = type.substr(0, type.find(';'));
  const std::size_t from = type.find_first_not_of(" \t");
  if (from == std::string::npos) return false;
  type = type.substr(from, type.find_last_not_of(" \t") - from + 1);
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return type == "application/x-www-form-urlencoded";
}

// Nothing for another text, or one past 64 bits.
std::optional<std::uint64_t> number_of(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return {};
  unsigned __int128 value = 0;
  for (const char digit : text) {
    value = value * 10 + static_cast<unsigned>(digit - '0');
    if (value > ~std::uint64_t{0}) return {};
  }
  return static_cast<std::uint64_t>(value);
}

bool is_number_between(const std::string& text, std::uint64_t least, std::uint64_t most) {
  const auto number = number_of(text);
  return text.empty() || (number && *number >= least && *number <= most);
}

bool is_duration(const std::string& text, std::uint64_t least_seconds) {
  if (text.empty()) return true;
  if (text.find_first_not_of('0') == std::string::npos) return least_seconds == 0;
  const auto number = number_of(text.substr(0, text.size() - 1));
  const std::map<char, std::uint64_t> units{{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  const auto unit = units.find(text.back());
  if (!number || unit == units.end() || *number > 10'000'000'000) return false;
  const std::uint64_t seconds = *number * unit->second;
  return seconds >= least_seconds && seconds <= std::uint64_t{36'600} * 86'400;
}

bool are_settings(const Variables& variables) {
  const auto setting = [&](const char* name) { return naive_setting(variables, name); };
  constexpr std::uint64_t kQuota = std::uint64_t{1} << 50;
  return is_number_between(setting("MAX_BODY"), 4096, 1U << 30) &&
         is_duration(setting("TOLERANCE"), 0) && is_duration(setting("SESSION_LIFE"), 1) &&
         is_number_between(setting("HANDLERS"), 1, 256) &&
         is_duration(setting("HANDLER_TIMEOUT"), 1) &&
         is_number_between(setting("QUOTA_MESSAGES"), 0, kQuota) &&
         is_number_between(setting("QUOTA_BYTES"), 0, kQuota);
}

}  // namespace

Variables naive_variables(const std::vector<std::string>& lines) {
  Variables variables;
  for (const std::string& line : lines) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals);
    const auto [one, is_first] = variables.emplace(name, line.substr(equals + 1));
    const bool is_setting = name.find("SEALPOST_") != std::string::npos;
    if (!is_first && is_setting && one->second.empty()) one->second = line.substr(equals + 1);
  }
  return variables;
}

std::string naive_setting(const Variables& variables, const std::string& name) {
  for (const char* before : {"", "REDIRECT_", "SSL_"}) {
    const std::string value = value_of(variables, std::string(before) + "SEALPOST_" + name);
    if (!value.empty()) return value;
  }
  return "";
}

Expected naive_answer(const Variables& variables, std::string body, bool whole) {
  const bool sane = are_settings(variables);
  const auto said = number_of(naive_setting(variables, "MAX_BODY"));
  const std::uint64_t most = sane && said ? *said : kDefaultMaxBody;
  const std::string length = value_of(variables, "CONTENT_LENGTH");
  const auto announced = number_of(length);
  if (announced && !whole) body = body.substr(0, *announced);

  if (value_of(variables, "REQUEST_METHOD") != "POST") return {405, "post only\n"};
  if (!is_form(value_of(variables, "CONTENT_TYPE"))) return {415, "type\n"};
  if (variables.contains("HTTP_CONTENT_ENCODING")) return {415, "type\n"};
  if ((announced && *announced > most) || body.size() > most) return {413, "too large\n"};
  if (!length.empty() && (!announced || *announced != body.size())) return {400, "form\n"};
  if (!Envelope::parse(body)) return {400, "form\n"};
  if (!sane) return {503, "unavailable\n"};
  return {403, "refused\n"};
}

void check_answer(const std::string& answer, const Expected& expected) {
  const std::map<int, std::string> phrases{{400, "Bad Request"},
                                           {403, "Forbidden"},
                                           {405, "Method Not Allowed"},
                                           {413, "Content Too Large"},
                                           {415, "Unsupported Media Type"},
                                           {503, "Service Unavailable"}};
  std::string text =
      "Status: " + std::to_string(expected.status) + " " + phrases.at(expected.status) +
      "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(expected.body.size()) +
      "\r\nCache-Control: no-store\r\n";
  if (expected.status == 405) text += "Allow: POST\r\n";
  text += "\r\n" + expected.body;
  if (answer != text) {
    std::fprintf(stderr, "expected:\n%s\nbut got:\n%s\n", text.c_str(), answer.c_str());
    require(false, "the answer is the one PROTOCOL 4 says");
  }
}

}  // namespace sealpost::fuzz
