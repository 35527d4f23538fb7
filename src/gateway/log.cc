#include "gateway/log.h"

#include <fcntl.h>
#include <poll.h>
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

constexpr std::size_t kHandlerMax = 2000;  // bytes of a handler's stderr in one entry
constexpr auto kCheckInterval = std::chrono::seconds(1);

// Makes the file if it does not exist.  Returns -1 on failure, also for a FIFO that nobody reads.
int open_log(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
}

// Whether PIPE_BUF bytes can be written without waiting.  stderr may be a blocking pipe that other
// processes share, so its mode is not changed.
bool can_write(int file) {
  pollfd waiting{file, POLLOUT, 0};
  return poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLOUT) != 0;
}

// Bytes of the handler's next entry: whole lines if one fits.
std::size_t entry_size(std::string_view errors) {
  if (errors.size() <= kHandlerMax) return errors.size();
  const std::size_t newline = errors.rfind('\n', kHandlerMax - 1);
  return newline == std::string_view::npos ? kHandlerMax : newline + 1;
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
  sum_rejections(system_now(), true);
  if (file_ != STDERR_FILENO) close(file_);
}

void Log::request(const LogEntry& entry, Time now) {
  if (!RejectionLines::covers(entry)) return put_entry(entry, now);
  if (const auto single = rejections_.add(entry, now)) put_entry(*single, now);
}

void Log::sum_rejections(Time now, bool all) {
  for (const LogEntry& sum : rejections_.take_due(now, all)) put_entry(sum, now);
  flush();
}

void Log::put_entry(const LogEntry& entry, Time now) {
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
  if (entry.count != 1) put_number(line, "count", entry.count);
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

void Log::handler(std::int64_t number, int attempt, const std::string& name,
                  std::string_view errors, Time now) {
  while (!errors.empty()) {
    std::string_view entry = errors.substr(0, entry_size(errors));
    errors.remove_prefix(entry.size());
    if (entry.back() == '\n') entry.remove_suffix(1);
    put_line(line_of({{"time", iso_time(now)},
                      {"handler", entry},
                      {"name", name},
                      {"number", number},
                      {"attempt", attempt}}));
  }
}

// A pipe takes PIPE_BUF bytes in one piece, so that lines of several processes do not mix.
void Log::put_line(std::string_view line) {
  if (waiting_.size() + line.size() > PIPE_BUF) flush();
  waiting_.append(line);
}

// A full disk, a size limit or a slow reader must not stop the gateway: the lines are lost, and
// counted.
void Log::flush() {
  if (waiting_.empty()) return;
  reopen_if_moved();
  const std::string text = loss_report() + waiting_;
  const std::size_t unwritten = text.size() - write_some(text);
  if (unwritten <= waiting_.size()) lost_ = 0;  // the report is written
  const std::size_t kept = waiting_.size() - std::min(unwritten, waiting_.size());
  lost_ += static_cast<std::uint64_t>(
      std::count(waiting_.begin() + static_cast<std::ptrdiff_t>(kept), waiting_.end(), '\n'));
  waiting_.clear();
}

// What has to be written before the next lines.
std::string Log::loss_report() const {
  const std::string begin = is_cut_ ? "\n" : "";
  if (lost_ == 0) return begin;
  return begin + line_of({{"time", iso_time(system_now())},
                          {"alarm", "log"},
                          {"detail", std::to_string(lost_) + " lines of the log were lost: " +
                                         std::strerror(lost_error_) + "."}});
}

// Returns how many bytes were written.
std::size_t Log::write_some(std::string_view text) {
  std::size_t written = 0;
  while (written < text.size()) {
    lost_error_ = EAGAIN;
    if (!can_write(file_)) break;
    const ssize_t put = ::write(file_, text.data() + written,
                                std::min<std::size_t>(text.size() - written, PIPE_BUF));
    if (put <= 0) {
      lost_error_ = errno;
      if (put < 0 && errno == EINTR) continue;
      break;
    }
    written += static_cast<std::size_t>(put);
    is_cut_ = text[written - 1] != '\n';
  }
  return written;
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
  is_cut_ = false;
}

std::string Log::next_id() { return id_prefix_ + "-" + std::to_string(++id_count_); }

}  // namespace sealpost
