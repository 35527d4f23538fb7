// The settings of one request.  They come with it, because one process can serve two folders with
// different ones, and never from a name that a client can send.
#pragma once

#include <array>
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
  kQuotaMessages,
  kQuotaBytes,
};

// The names, in that order, without the "SEALPOST_" before each.
constexpr std::array<std::string_view, 9> kSettingNames{
    "HOME",         "LOG",      "MAX_BODY",        "TOLERANCE",
    "SESSION_LIFE", "HANDLERS", "HANDLER_TIMEOUT", "QUOTA_MESSAGES",
    "QUOTA_BYTES"};

// The texts as found; empty where not set.  Equal texts, equal settings.
using SettingTexts = std::array<std::string, kSettingNames.size()>;

// Variables as a process has them: "NAME=VALUE" each, and a null pointer behind the last.
using Variables = const char* const*;

// The value of a variable, or null.
[[nodiscard]] const char* find_variable(Variables variables, std::string_view name);

// For each setting the first of: the gateway's own argument, the request's SEALPOST_X,
// REDIRECT_SEALPOST_X (after a rewrite), SSL_SEALPOST_X (what suEXEC lets through), the process
// environment's SEALPOST_X.
[[nodiscard]] SettingTexts find_settings(const SettingTexts& arguments, Variables request,
                                         Variables process);

struct Settings {
  std::string home;                        // where `sealpost init` put keys and database
  std::string log;                         // a file; empty: stderr
  std::size_t max_body = 1U << 20;         // bytes of a whole HTTP body
  Milliseconds tolerance = 300 * kSecond;  // of a message's sent_at; 0: any
  Milliseconds session_life = 24 * kHour;
  std::size_t handlers = 8;                     // at work at once
  Milliseconds handler_timeout = 10 * kSecond;  // of each
  std::int64_t quota_messages = 0;              // of a client, a day; 0: any
  std::int64_t quota_bytes = 0;                 // of a client's bodies, kept; 0: any

  // After which whoever hands a message over is believed dead: the longest wait in the queue, the
  // handler itself, and some time to keep its reply.
  [[nodiscard]] Milliseconds lease() const { return handler_timeout * (WorkerPool::kQueue + 2); }

  // Throws Fault, naming the setting and what it may be.
  [[nodiscard]] static Settings parse(const SettingTexts& texts);
};

}  // namespace sealpost
