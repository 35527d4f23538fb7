#include "transport/cgi.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "gateway/gateway.h"
#include "transport/variables.h"

namespace sealpost {
namespace {

const char* process_variable(const std::string& name) { return std::getenv(name.c_str()); }

// Reads what was announced, and no more: the server need not close the stream behind it.  Where nothing
// was announced (a chunked body) the end of the stream is the end of the body.
void read_body(Request& request, std::size_t max_body) {
  const std::uint64_t wanted = request.announced.value_or(max_body + 1);
  if (wanted > max_body && request.announced) {
    request.body_too_large = true;
    return;
  }
  request.body.resize(static_cast<std::size_t>(wanted));
  std::size_t size = 0;
  while (size < request.body.size()) {
    const ssize_t got = read(STDIN_FILENO, request.body.data() + size, request.body.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  request.body.resize(size);
  request.body_too_large = size > max_body;
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(STDOUT_FILENO, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // nobody reads the answer any more: the message is settled all the same
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace

void serve_cgi(const SettingTexts& arguments) {
  Request request = request_from(process_variable);
  Gateway gateway(find_settings(arguments, process_variable, process_variable));
  read_body(request, gateway.max_body());
  const std::vector<Response> responses = gateway.handle({&request, 1}, system_now());
  write_all(responses.front().head() + responses.front().body);
  close(STDOUT_FILENO);
  gateway.trim();
}

bool arguments_are_the_clients() {
  const char* query = std::getenv("QUERY_STRING");
  const bool is_cgi = std::getenv("GATEWAY_INTERFACE") != nullptr;
  return is_cgi && query != nullptr && *query != '\0' &&
         std::string_view(query).find('=') == std::string_view::npos;
}

}  // namespace sealpost
