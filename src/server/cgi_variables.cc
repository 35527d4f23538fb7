#include "server/cgi_variables.h"

#include <charconv>

namespace sealpost {

Request request_from(Variables variables) {
  const auto text = [&](const char* name) {
    const char* value = find_variable(variables, name);
    return std::string_view(value == nullptr ? "" : value);
  };
  Request request;
  request.method = text("REQUEST_METHOD");
  if (!text("CONTENT_TYPE").empty()) request.content_type = text("CONTENT_TYPE");
  request.has_content_encoding = find_variable(variables, "HTTP_CONTENT_ENCODING") != nullptr;

  const std::string_view announced = text("CONTENT_LENGTH");
  if (announced.empty()) return request;
  std::uint64_t length = 0;
  const char* end = announced.data() + announced.size();
  const auto [rest, error] = std::from_chars(announced.data(), end, length);
  if (error == std::errc() && rest == end) {
    request.announced = length;
  } else {
    request.body_cut = true;  // no body can have the announced length
  }
  return request;
}

}  // namespace sealpost
