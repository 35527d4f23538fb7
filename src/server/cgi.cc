#include "server/cgi.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "gateway/gateway.h"
#include "server/cgi_variables.h"

namespace sealpost {
namespace {

// What is read and thrown away of a body that does not fit.  A web server that is still sending
// when the program ends reports its own error instead of our answer.
constexpr std::uint64_t kDrainMax = 64U << 20;

// Reads what was announced, and no more: the server need not close the stream behind it.  Where
// nothing was announced (a chunked body) the end of the stream is the end of the body.
void read_body(Request& request, std::size_t max_body) {
  request.body_too_large = request.announced && *request.announced > max_body;
  std::uint64_t left = std::min(request.announced.value_or(kDrainMax), kDrainMax);
  std::array<char, 16384> piece;
  while (left > 0) {
    const ssize_t got = read(STDIN_FILENO, piece.data(),
                             static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size())));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    const auto size = static_cast<std::size_t>(got);
    left -= size;
    if (request.body.size() + size > max_body) request.body_too_large = true;
    if (!request.body_too_large) request.body.append(piece.data(), size);
  }
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
  Request request = request_from(environ);
  WorkerPool pool;
  Gateway gateway(find_settings(arguments, environ, environ), pool);
  read_body(request, gateway.max_body());
  Handled handled = gateway.handle({&request, 1}, system_now()).front();
  if (handled.delivery) {  // there is nobody else to serve meanwhile
    handled.delivery->run();
    handled.response = gateway.finish({&handled.delivery, 1}, system_now()).front();
  }
  write_all(handled.response->head() + handled.response->body);
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
