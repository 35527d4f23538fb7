// The smallest program that can be a CGI, and a handler: it reads stdin to its end and says hello.
#include <unistd.h>

#include <array>
#include <string_view>

int main(int argc, char**) {
  constexpr std::string_view kHead = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";
  constexpr std::string_view kBody = "hello\n";
  std::array<char, 4096> rest;
  while (read(STDIN_FILENO, rest.data(), rest.size()) > 0) {
  }
  // As a handler it has an argument, and what it writes is all reply.
  if (argc == 1) (void)!write(STDOUT_FILENO, kHead.data(), kHead.size());
  (void)!write(STDOUT_FILENO, kBody.data(), kBody.size());
  _exit(0);
}
