// A local application for the http handler: it answers every POST on a unix socket with "hello",
// and keeps its connections, a thread for each.
//
//   web_application SOCKET
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

namespace {

// The size of the first whole request in what was read; 0 if there is none yet.
std::size_t first_request(std::string_view text) {
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t at = text.substr(0, end).find(kLength);
  const std::size_t body =
      at == std::string_view::npos ? 0 : std::strtoul(&text[at + kLength.size()], nullptr, 10);
  const std::size_t size = end + 4 + body;
  return size <= text.size() ? size : 0;
}

void serve(int connection) {
  constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
  std::string text;
  std::array<char, 16384> some;
  for (ssize_t got = 0; (got = read(connection, some.data(), some.size())) > 0;) {
    text.append(some.data(), static_cast<std::size_t>(got));
    while (const std::size_t size = first_request(text)) {
      text.erase(0, size);
      if (write(connection, kAnswer.data(), kAnswer.size()) < 0) break;
    }
  }
  close(connection);
}

}  // namespace

int main(int, char** argv) {
  const std::string_view path = argv[1];
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy_n(path.begin(), std::min(path.size(), sizeof address.sun_path - 1), address.sun_path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 1;
  if (listen(listener, 128) != 0) return 1;
  for (int connection = 0; (connection = accept(listener, nullptr, nullptr)) >= 0;) {
    std::thread(serve, connection).detach();
  }
  return 1;
}
