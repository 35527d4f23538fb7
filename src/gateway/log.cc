#include "gateway/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "crypto/primitives.h"

namespace sealpost {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLineMax = 2000;  // bytes of a handler's line
constexpr auto kCheckInterval = std::chrono::seconds(1);

// Makes the file if it does not exist.  Returns -1 on failure.
int open_log(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// A request's line is assembled member by member, because a JSON object would cost as much as
// opening a seal.  The library escapes what needs it.
void put_key(std::string& line, const char* key) {
  line.append(line.empty() ? "{\"" : ",\"").append(key).append("\":");
}

void put_member(std::string& line, const char* key, std::string_view text) {
  if (text.empty()) return;
  const bool plain = std::all_of(text.begin(), text.end(), [](char one) {
    return one >= ' ' && one < 0x7f && one != '"' && one != '\\';
  });
  put_key(line, key);
  if (plain) {
    line.append("\"").append(text).append("\"");
  } else {
    line.append(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

void put_number(std::string& line, const char* key, std::uint64_t number) {
  put_key(line, key);
  line.append(std::to_string(number));
}

void put(Json& json, const char* key, std::string_view text) {
  if (!text.empty()) json[key] = text;
}

constexpr std::array<std::string_view, 17> kOutcomes{
    "session",   "accepted",  "duplicate", "conflict",    "too_old",     "late",
    "forbidden", "revoked",   "malformed", "in_progress", "failed",      "no_route",
    "too_large", "withdrawn", "suspended", "rejected",    "unavailable",
};
static_assert(kOutcomes.back() == "unavailable" &&
              static_cast<std::size_t>(LogOutcome::kUnavailable) + 1 == kOutcomes.size());

}  // namespace

std::string_view text_of(LogOutcome outcome) {
  return kOutcomes.at(static_cast<std::size_t>(outcome));
}

LogOutcome outcome_of(Status status) {
  switch (status) {
    case Status::kAccepted:
      return LogOutcome::kAccepted;
    case Status::kDuplicate:
      return LogOutcome::kDuplicate;
    case Status::kInProgress:
      return LogOutcome::kInProgress;
    case Status::kConflict:
      return LogOutcome::kConflict;
    case Status::kTooOld:
      return LogOutcome::kTooOld;
    case Status::kLate:
      return LogOutcome::kLate;
    case Status::kForbidden:
      return LogOutcome::kForbidden;
    case Status::kRevoked:
      return LogOutcome::kRevoked;
    case Status::kMalformed:
      return LogOutcome::kMalformed;
    case Status::kFailed:
      return LogOutcome::kFailed;
    case Status::kNoRoute:
      return LogOutcome::kNoRoute;
    case Status::kTooLarge:
      return LogOutcome::kTooLarge;
    case Status::kWithdrawn:
      return LogOutcome::kWithdrawn;
    case Status::kSuspended:
      return LogOutcome::kSuspended;
    case Status::kUnavailable:
      break;
  }
  return LogOutcome::kUnavailable;
}

Log::Log(const std::string& path)
    : path_(path),
      file_(path.empty() ? STDERR_FILENO : open_log(path)),
      checked_at_(Clock::now()),
      id_prefix_(hex(crypto::random_array<4>())) {
  if (file_ >= 0) return;
  const std::string why = std::strerror(errno);
  file_ = STDERR_FILENO;
  alarm("log", "", "Cannot open SEALPOST_LOG " + path + ": " + why + ". The log goes to stderr.",
        system_now());
}

Log::~Log() {
  flush();
  if (file_ != STDERR_FILENO) close(file_);
}

void Log::request(const LogEntry& entry, Time now) {
  std::string line;
  line.reserve(256);
  put_member(line, "time", iso_time(now));
  put_member(line, "id", next_id());
  put_member(line, "outcome", text_of(entry.outcome));
  put_member(line, "reason", text_of(entry.reason));
  put_member(line, "name", entry.name);
  put_member(line, "topic", entry.topic);
  if (entry.number != 0) put_number(line, "number", static_cast<std::uint64_t>(entry.number));
  put_number(line, "us", entry.microseconds);
  put_member(line, "detail", entry.detail);
  put_line(line + "}\n");
}

void Log::alarm(std::string_view what, const std::string& name, const std::string& detail,
                Time now) {
  Json json = {{"time", iso_time(now)}, {"alarm", what}};
  put(json, "name", name);
  put(json, "detail", detail);
  put_line(line_of(json));
}

void Log::handler(std::int64_t number, int attempt, const std::string& name, std::string_view line,
                  Time now) {
  put_line(line_of({{"time", iso_time(now)},
                    {"handler", line.substr(0, kLineMax)},
                    {"name", name},
                    {"number", number},
                    {"attempt", attempt}}));
}

// A pipe takes PIPE_BUF bytes in one piece, so that lines of several processes do not mix.
void Log::put_line(std::string_view line) {
  if (waiting_.size() + line.size() > PIPE_BUF) flush();
  waiting_.append(line);
}

void Log::flush() {
  if (waiting_.empty()) return;
  reopen_if_moved();
  // A full disk must not stop the gateway, so a failed write is ignored.
  (void)!::write(file_, waiting_.data(), waiting_.size());
  waiting_.clear();
}

// Opens the file again if it was moved away or could not be opened before.  On failure the log goes
// on with the file it has.
void Log::reopen_if_moved() {
  const Clock::time_point now = Clock::now();
  if (path_.empty() || now - checked_at_ < kCheckInterval) return;
  checked_at_ = now;
  struct stat opened {};
  struct stat named {};
  if (fstat(file_, &opened) == 0 && stat(path_.c_str(), &named) == 0 &&
      opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
    return;
  }
  const int file = open_log(path_);
  if (file < 0) return;
  if (file_ != STDERR_FILENO) close(file_);
  file_ = file;
}

std::string Log::next_id() { return id_prefix_ + "-" + std::to_string(++id_count_); }

}  // namespace sealpost
