// One connection of the web server, and its requests one after the other, through libfcgi.
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

  // Reads the head of the next request, and waits until it is complete.  False if no request comes;
  // the caller must then close the connection.
  [[nodiscard]] bool read_head();

  // The variables of that request.  Valid until answer().
  [[nodiscard]] Variables variables() const { return request_.envp; }

  // Reads the body to the end of the stream, also past `max_body`: an unread rest would be taken
  // for the next request, and a web server that is still sending does not read the answer.
  void read_body(Request& request, std::size_t max_body);

  // Sends the answer.  Returns whether the connection can carry another request.
  [[nodiscard]] bool answer(const Response& response);

 private:
  int file_;
  bool kept_ = false;  // the web server asked to keep it
  FCGX_Request request_{};
};

}  // namespace sealpost
