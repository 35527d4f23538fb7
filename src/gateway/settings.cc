#include "gateway/settings.h"

#include <algorithm>
#include <charconv>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr std::size_t kSmallestBody = 4096;  // a handshake must fit
constexpr std::size_t kLargestBody = 1U << 30;
constexpr std::size_t kMostHandlers = 256;
constexpr std::int64_t kMostQuota = std::int64_t{1} << 50;

constexpr std::string_view kPrefix = "SEALPOST_";

std::string variable_of(std::size_t which) {
  return std::string(kPrefix).append(kSettingNames.at(which));
}

// Takes what is still unset from variables whose names begin with `before` and "SEALPOST_".
void take_unset(SettingViews& views, std::string_view before, Variables variables) {
  for (; *variables != nullptr; ++variables) {
    std::string_view variable = *variables;
    if (!variable.starts_with(before)) continue;
    variable.remove_prefix(before.size());
    if (!variable.starts_with(kPrefix)) continue;
    variable.remove_prefix(kPrefix.size());
    const std::size_t equals = std::min(variable.find('='), variable.size());
    const auto* which =
        std::find(kSettingNames.begin(), kSettingNames.end(), variable.substr(0, equals));
    if (which == kSettingNames.end()) continue;
    std::string_view& view = views.at(static_cast<std::size_t>(which - kSettingNames.begin()));
    if (view.empty()) view = variable.substr(std::min(equals + 1, variable.size()));
  }
}

// A whole number between two bounds, both included.
template <class Number>
void read_number(const SettingTexts& texts, Setting which, Number least, Number most,
                 Number& number) {
  const std::string& text = texts.at(which);
  if (text.empty()) return;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < least || number > most) {
    throw Fault(variable_of(which) + " is \"" + text + "\". It must be a number from " +
                std::to_string(least) + " to " + std::to_string(most) + ".");
  }
}

void read_duration(const SettingTexts& texts, Setting which, Milliseconds least,
                   Milliseconds& time) {
  const std::string& text = texts.at(which);
  if (text.empty()) return;
  const auto duration = parse_duration(text);
  if (!duration || *duration < least) {
    throw Fault(variable_of(which) + " is \"" + text +
                "\". It must be a number and s, m, h or d, such as 300s" +
                (least == Milliseconds::zero() ? ", or 0 for any time." : "."));
  }
  time = *duration;
}

}  // namespace

const char* find_variable(Variables variables, std::string_view name) {
  for (; *variables != nullptr; ++variables) {
    const std::string_view one = *variables;
    if (one.size() > name.size() && one[name.size()] == '=' && one.starts_with(name)) {
      return *variables + name.size() + 1;
    }
  }
  return nullptr;
}

SettingViews find_settings(const SettingTexts& arguments, Variables request, Variables process) {
  SettingViews views;
  std::copy(arguments.begin(), arguments.end(), views.begin());
  for (const std::string_view before : {"", "REDIRECT_", "SSL_"}) {
    take_unset(views, before, request);
  }
  take_unset(views, "", process);
  return views;
}

SettingTexts copy_of(const SettingViews& views) {
  SettingTexts texts;
  std::copy(views.begin(), views.end(), texts.begin());
  return texts;
}

const SettingTexts& SettingsTable::intern(const SettingViews& views) {
  const std::lock_guard lock(mutex_);
  for (const SettingTexts& known : known_) {
    if (std::equal(known.begin(), known.end(), views.begin())) return known;
  }
  return known_.emplace_back(copy_of(views));
}

Settings Settings::parse(const SettingTexts& texts) {
  Settings settings;
  if (texts[kHome].empty()) {
    throw Fault(
        "SEALPOST_HOME is not set. In .htaccess write `SetEnv SEALPOST_HOME /home/you/sealpost`, "
        "with "
        "the directory that `sealpost init` made.");
  }
  if (texts[kHome].front() != '/') {
    throw Fault("SEALPOST_HOME is \"" + texts[kHome] +
                "\". It must be an absolute path, which begins with /.");
  }
  settings.home = texts[kHome];
  settings.log = texts[kLog];
  read_number(texts, kMaxBody, kSmallestBody, kLargestBody, settings.max_body);
  read_duration(texts, kTolerance, Milliseconds{0}, settings.tolerance);
  read_duration(texts, kSessionLife, kSecond, settings.session_life);
  read_number(texts, kHandlers, std::size_t{1}, kMostHandlers, settings.handlers);
  read_duration(texts, kHandlerTimeout, kSecond, settings.handler_timeout);
  read_duration(texts, kHandlerPatience, kSecond, settings.handler_patience);
  read_number(texts, kQuotaMessages, std::int64_t{0}, kMostQuota, settings.quota_messages);
  read_number(texts, kQuotaBytes, std::int64_t{0}, kMostQuota, settings.quota_bytes);
  return settings;
}

}  // namespace sealpost
