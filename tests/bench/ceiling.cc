// The ceiling: the smallest FastCGI program there is, and nothing behind it.  It reads a body to
// its end and answers with the first 256 bytes of it; 64 threads wait in accept, as the library's
// own examples do.
#include <fcgiapp.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 64;
constexpr int kAnswer = 256;

void answer(FCGX_Request& request) {
  std::array<char, 65536> body;
  const int first = FCGX_GetStr(body.data(), kAnswer, request.in);
  while (FCGX_GetStr(body.data() + kAnswer, static_cast<int>(body.size()) - kAnswer, request.in) >
         0) {
  }
  FCGX_FPrintF(request.out,
               "Status: 200 OK\r\nContent-Type: application/octet-stream\r\n"
               "Content-Length: %d\r\n\r\n",
               first);
  FCGX_PutStr(body.data(), first, request.out);
}

void serve() {
  FCGX_Request request;
  FCGX_InitRequest(&request, 0, 0);
  while (FCGX_Accept_r(&request) == 0) {
    answer(request);
    FCGX_Finish_r(&request);
  }
}

}  // namespace

int main() {
  FCGX_Init();
  std::signal(SIGTERM, SIG_DFL);  // the library's own handler only takes note
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(serve);
  for (std::thread& thread : threads) thread.join();
}
