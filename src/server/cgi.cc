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

// How much of a body that does not fit is read and dropped.  A web server that is still sending
// when the program ends reports its own error instead of this program's answer.
constexpr std::uint64_t kDrainMax = 64U << 20;

// Reads the announced length and no more, because the server need not close the stream after it.
// Without an announced length (a chunked body) the body ends with the stream.
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
    if (put <= 0) return;  // nobody reads the answer; the message is settled all the same
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace

void serve_cgi(const SettingTexts& arguments) {
  Request request = request_from(environ);
  WorkerPool pool;
  Gateway gateway(copy_of(find_settings(arguments, environ, environ)), pool);
  read_body(request, gateway.max_body());
  const Request* const batch = &request;
  Handled handled = std::move(gateway.handle({&batch, 1}, system_now()).front());
  if (auto* delivery = std::get_if<PendingDelivery>(&handled)) {
    delivery->run();  // in this thread: a CGI process serves nobody else
    gateway.finish({&delivery, 1}, system_now());
    handled = delivery->response.value();
  }
  const auto& response = std::get<Response>(handled);
  write_all(response.head() + response.body);
  close(STDOUT_FILENO);
  gateway.wait_until_saved(kMinute);
  gateway.prepare_exit();
}

bool arguments_are_the_clients() {
  const char* query = std::getenv("QUERY_STRING");
  const bool is_cgi = std::getenv("GATEWAY_INTERFACE") != nullptr;
  return is_cgi && query != nullptr && *query != '\0' &&
         std::string_view(query).find('=') == std::string_view::npos;
}

}  // namespace sealpost
