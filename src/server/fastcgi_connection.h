// One connection of the web server's, and the requests that come on it one after the other, through
// libfcgi.
#pragma once

#include <fcgiapp.h>

#include <string>

#include "gateway/request.h"
#include "gateway/settings.h"

namespace sealpost {

class FastcgiConnection {
 public:
  // Owns `file`, a connected socket that blocks.  FCGX_Init() must have been called.
  explicit FastcgiConnection(int file);
  ~FastcgiConnection();
  FastcgiConnection(const FastcgiConnection&) = delete;
  FastcgiConnection& operator=(const FastcgiConnection&) = delete;

  [[nodiscard]] int file() const { return file_; }

  // Reads the head of the next request, waiting for the rest of it; false if there is none, and
  // then the connection is of no more use.
  [[nodiscard]] bool read_head();

  // The variables of the request whose head was read.
  [[nodiscard]] Variables variables() const { return request_.envp; }

  // Reads to the end of the stream, also past what fits: an unread end would be the next request's
  // start, and a web server that is still sending does not listen.
  void read_body(Request& request, std::size_t max_body);

  // Whether the connection is there for another request.
  [[nodiscard]] bool answer(const Response& response);

 private:
  int file_;
  bool kept_ = false;  // the web server asked to keep it
  FCGX_Request request_{};
};

}  // namespace sealpost
