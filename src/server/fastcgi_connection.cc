#include "server/fastcgi_connection.h"

#include <unistd.h>

#include <array>

namespace sealpost {

FastcgiConnection::FastcgiConnection(int file) : file_(file) {
  FCGX_InitRequest(&request_, -1, 0);  // no listening socket: libfcgi must never accept by itself
}

FastcgiConnection::~FastcgiConnection() {
  FCGX_Free(&request_, 0);
  if (file_ >= 0) close(file_);
}

bool FastcgiConnection::read_head() {
  // libfcgi reads from this connection because it believes that it has kept it.
  request_.ipcFd = file_;
  request_.keepConnection = 1;
  if (FCGX_Accept_r(&request_) != 0) {
    file_ = -1;  // libfcgi has closed it
    return false;
  }
  kept_ = request_.keepConnection != 0;
  return true;
}

void FastcgiConnection::read_body(Request& request, std::size_t max_body) {
  request.body_too_large = request.announced && *request.announced > max_body;
  if (!request.body_too_large) request.body.reserve(request.announced.value_or(0));
  std::array<char, 16384> piece;
  int got = 0;
  while ((got = FCGX_GetStr(piece.data(), piece.size(), request_.in)) > 0) {
    const auto size = static_cast<std::size_t>(got);
    if (request.body.size() + size > max_body) request.body_too_large = true;
    if (!request.body_too_large) request.body.append(piece.data(), size);
  }
  if (FCGX_GetError(request_.in) == 0) return;
  request.body_cut = true;  // the stream ended without its end record
  FCGX_ClearError(request_.in);
  kept_ = false;
}

bool FastcgiConnection::answer(const Response& response) {
  const std::string head = response.head();
  FCGX_PutStr(head.data(), static_cast<int>(head.size()), request_.out);
  FCGX_PutStr(response.body.data(), static_cast<int>(response.body.size()), request_.out);
  // libfcgi waits for up to 2 s when it closes a connection.  So it is told to keep each one, and
  // the destructor closes it.  If libfcgi could not write, it has closed the socket nevertheless.
  request_.keepConnection = 1;
  FCGX_Finish_r(&request_);
  if (request_.ipcFd < 0) file_ = -1;
  request_.ipcFd = -1;
  return kept_ && file_ >= 0;
}

}  // namespace sealpost
