#include "gateway/request.h"

#include "protocol/envelope.h"

namespace sealpost {
namespace {

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    default:
      return "Service Unavailable";
  }
}

}  // namespace

std::string Response::head() const {
  std::string head = "Status: " + std::to_string(status) + " ";
  head.append(phrase_of(status)).append("\r\n");
  head.append("Content-Type: ")
      .append(sealed ? "application/octet-stream" : "text/plain")
      .append("\r\n");
  head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  head.append("Cache-Control: no-store\r\n");
  if (status == 405) head.append("Allow: POST\r\n");
  return head.append("\r\n");
}

std::optional<PlainAnswer> check_http(const Request& request) {
  if (request.method != "POST") return PlainAnswer{405, "post only\n", Reason::kMethod};
  if (!request.content_type || !is_form_type(*request.content_type) ||
      request.has_content_encoding) {
    return PlainAnswer{415, "type\n", Reason::kType};
  }
  if (request.body_too_large) return PlainAnswer{413, "too large\n", Reason::kSize};
  if (request.body_cut || (request.announced && *request.announced != request.body.size())) {
    return not_the_form(Reason::kLength);
  }
  return std::nullopt;
}

}  // namespace sealpost
