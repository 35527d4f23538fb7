// The settings of one request.  They come with the request, because one process can serve two
// directories with different settings, and never from a name that a client can send.
#pragma once

#include <array>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.h"
#include "delivery/worker_pool.h"

namespace sealpost {

enum Setting : std::size_t {
  kHome,
  kLog,
  kMaxBody,
  kTolerance,
  kSessionLife,
  kHandlers,
  kHandlerTimeout,
  kHandlerPatience,
  kQuotaMessages,
  kQuotaBytes,
};

// The names, in that order, without the "SEALPOST_" before each.
constexpr std::array<std::string_view, 10> kSettingNames{
    "HOME",           "LOG",        "MAX_BODY",        "TOLERANCE",
    "SESSION_LIFE",   "HANDLERS",   "HANDLER_TIMEOUT", "HANDLER_PATIENCE",
    "QUOTA_MESSAGES", "QUOTA_BYTES"};

// The texts as found; empty where not set.
using SettingTexts = std::array<std::string, kSettingNames.size()>;
// The same, in memory of the request, the process environment and the arguments.
using SettingViews = std::array<std::string_view, kSettingNames.size()>;

// Variables as a process has them: "NAME=VALUE" each, and a null pointer behind the last.
using Variables = const char* const*;

// The value of a variable, or null.
[[nodiscard]] const char* find_variable(Variables variables, std::string_view name);

// For each setting the first of: the gateway's own argument, the request's SEALPOST_X,
// REDIRECT_SEALPOST_X (after a rewrite), SSL_SEALPOST_X (what suEXEC lets through), the process
// environment's SEALPOST_X.
[[nodiscard]] SettingViews find_settings(const SettingTexts& arguments, Variables request,
                                         Variables process);

[[nodiscard]] SettingTexts copy_of(const SettingViews& views);

// The distinct sets of settings that a process has met, so that a set is compared once a request
// and known by its address from then on.  Only the web server's configuration makes new ones.  Any
// thread may call it.
class SettingsTable {
 public:
  // Lives as long as the table.
  [[nodiscard]] const SettingTexts& intern(const SettingViews& views);

 private:
  std::mutex mutex_;
  std::deque<SettingTexts> known_;  // a deque never moves what it holds
};

struct Settings {
  std::string home;                        // where `sealpost init` put keys and database
  std::string log;                         // a file; empty: stderr
  std::size_t max_body = 1U << 20;         // bytes of a whole HTTP body
  Milliseconds tolerance = 300 * kSecond;  // of a message's sent_at; 0: any
  Milliseconds session_life = 24 * kHour;
  std::size_t handlers = 8;                     // that run at once
  Milliseconds handler_timeout = 10 * kSecond;  // of each
  // A message whose handler cannot be started is tried again until it is this old.
  Milliseconds handler_patience = kHour;
  std::int64_t quota_messages = 0;  // of a client, a day; 0: any
  std::int64_t quota_bytes = 0;     // of a client's bodies, kept; 0: any

  // After this time the process that runs a message's handler is presumed dead: the longest wait in
  // the queue, the handler itself, and time to save its reply.
  [[nodiscard]] Milliseconds lease() const { return handler_timeout * (WorkerPool::kQueue + 2); }

  // Throws Fault, with the setting's name and the values it may have.
  [[nodiscard]] static Settings parse(const SettingTexts& texts);
};

}  // namespace sealpost
