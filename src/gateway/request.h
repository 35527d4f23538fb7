// What a server passes in and gets back, and the checks that need nothing but HTTP (PROTOCOL 4).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/reason.h"

namespace sealpost {

struct Request {
  std::string method;
  std::optional<std::string> content_type;
  bool has_content_encoding = false;
  std::optional<std::uint64_t> announced;  // CONTENT_LENGTH, where there is one
  std::string body;
  bool body_too_large = false;  // over max_body: `body` does not hold all of it
  bool body_cut = false;        // the stream broke off before its end
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
};

struct Response {
  int status = 0;
  std::string body;
  bool sealed = false;

  // Everything before the body, as CGI wants it, up to and with the empty line.
  [[nodiscard]] std::string head() const;
};

// An answer that is not sealed, and the reason for it in the log.
struct PlainAnswer {
  int status;
  std::string_view body;
  Reason reason;

  [[nodiscard]] Response response() const { return {status, std::string(body), false}; }
};

// Checks method, media type, encoding, size and completeness, in that order.  Nothing if all are
// right.
[[nodiscard]] std::optional<PlainAnswer> check_http(const Request& request);

// Every other unauthenticated client gets this one answer, whatever the reason.
[[nodiscard]] constexpr PlainAnswer rejected(Reason reason) { return {403, "refused\n", reason}; }
[[nodiscard]] constexpr PlainAnswer not_the_form(Reason reason) { return {400, "form\n", reason}; }
[[nodiscard]] constexpr PlainAnswer unavailable() { return {503, "unavailable\n", Reason::kFault}; }

}  // namespace sealpost
