// The smallest program that can be a CGI, and a handler: it reads stdin to its end and says hello.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

int main() {
  constexpr std::string_view kHead = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";
  constexpr std::string_view kBody = "hello\n";
  std::array<char, 4096> rest;
  while (read(STDIN_FILENO, rest.data(), rest.size()) > 0) {
  }
  // What a handler writes is all reply.
  const bool as_cgi = std::getenv("GATEWAY_INTERFACE") != nullptr;
  if (as_cgi) (void)!write(STDOUT_FILENO, kHead.data(), kHead.size());
  (void)!write(STDOUT_FILENO, kBody.data(), kBody.size());
  _exit(0);
}
