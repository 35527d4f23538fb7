#include "gateway/settings.h"

#include <charconv>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr std::size_t kSmallestBody = 4096;  // a handshake must fit
constexpr std::size_t kLargestBody = 1U << 30;

std::string first_of(const std::string& argument, const std::string& name, const Variables& request,
                     const Variables& process) {
  if (!argument.empty()) return argument;
  for (const char* before : {"", "REDIRECT_", "SSL_"}) {
    const char* value = request(before + name);
    if (value != nullptr && *value != '\0') return value;
  }
  const char* value = process(name);
  return value == nullptr ? "" : value;
}

std::size_t size_of(const std::string& text) {
  std::size_t size = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, size);
  if (error != std::errc() || rest != end || size < kSmallestBody || size > kLargestBody) {
    throw Fault("SEALPOST_MAX_BODY is \"" + text + "\": give bytes, from " +
                std::to_string(kSmallestBody) + " to " + std::to_string(kLargestBody));
  }
  return size;
}

Milliseconds duration_of(const std::string& name, const std::string& text, Milliseconds least) {
  const auto duration = parse_duration(text);
  if (!duration || *duration < least) {
    throw Fault(name + " is \"" + text + "\": give a number and s, m, h or d, such as 300s" +
                (least == 0 ? ", or 0 for any" : ""));
  }
  return *duration;
}

}  // namespace

SettingTexts find_settings(const SettingTexts& arguments, const Variables& request,
                           const Variables& process) {
  SettingTexts texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i] =
        first_of(arguments[i], "SEALPOST_" + std::string(kSettingNames[i]), request, process);
  }
  return texts;
}

Settings Settings::parse(const SettingTexts& texts) {
  Settings settings;
  if (texts[kHome].empty()) {
    throw Fault(
        "SEALPOST_HOME is not set: in .htaccess write `SetEnv SEALPOST_HOME /home/you/sealpost`, "
        "with the folder that `sealpost init` made");
  }
  if (texts[kHome].front() != '/') {
    throw Fault("SEALPOST_HOME is \"" + texts[kHome] + "\": give the whole path, from /");
  }
  settings.home = texts[kHome];
  settings.log = texts[kLog];
  if (!texts[kMaxBody].empty()) settings.max_body = size_of(texts[kMaxBody]);
  if (!texts[kTolerance].empty()) {
    settings.tolerance = duration_of("SEALPOST_TOLERANCE", texts[kTolerance], 0);
  }
  if (!texts[kSessionLife].empty()) {
    settings.session_life = duration_of("SEALPOST_SESSION_LIFE", texts[kSessionLife], kSecond);
  }
  return settings;
}

}  // namespace sealpost
