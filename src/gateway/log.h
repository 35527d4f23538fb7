// The gateway's log: one JSON object a line, never a key or a body.  Lines wait for flush(), so
// that the lines of a batch are one write.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "gateway/log_entry.h"
#include "gateway/rejection_lines.h"

namespace sealpost {

class Log {
 public:
  // Appends to a file, made 0600; to stderr if `path` is empty or cannot be opened.  If the file is
  // moved away, the log opens a new one at `path` within a second.  Nothing here waits for a reader
  // of a pipe: lines that cannot be written are lost, and the next line says how many.
  explicit Log(const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Rejections are summed: see RejectionLines.
  void request(const LogEntry& entry, Time now);
  // What a handler wrote to stderr, in entries of up to 2,000 bytes.
  void handler(std::int64_t number, int attempt, const std::string& name, std::string_view errors,
               Time now);
  // Something that the operator should look at: {"time":..,"alarm":"rollback","detail":..}.
  void alarm(std::string_view what, const std::string& name, const std::string& detail, Time now);

  // Writes the sums of rejections whose minute is over; with `all`, every sum.
  void sum_rejections(Time now, bool all);

  // Writes all waiting lines at once.
  void flush();

 private:
  using Clock = std::chrono::steady_clock;

  void put_entry(const LogEntry& entry, Time now);
  [[nodiscard]] std::string loss_report() const;
  std::size_t write_some(std::string_view text);
  void put_line(std::string_view line);
  void reopen_if_moved();
  std::string next_id();

  std::string path_;
  int file_;
  Clock::time_point checked_at_;  // when reopen_if_moved() last compared path_ with file_
  std::string waiting_;
  RejectionLines rejections_;
  std::uint64_t lost_ = 0;  // lines that could not be written since the last that could
  int lost_error_ = 0;
  bool is_cut_ = false;    // the file ends within a line
  std::string id_prefix_;  // random, so that two processes never give the same id
  std::uint64_t id_count_ = 0;
};

}  // namespace sealpost
