// A web application for tests.  It answers as its behaviour says, and keeps the requests.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sealpost::test {

class WebApplication {
 public:
  // One request as it came: its head, up to and with the empty line, and its body.
  struct Request {
    std::string head;
    std::string body;
  };
  // Returns the bytes of an answer.  The connection is closed after them, unless they begin with
  // "keep:", which is not sent.  An empty text closes the connection without an answer.  What
  // stands after kPause is sent 40 ms later.
  static constexpr std::string_view kPause = "(pause)";
  using Behaviour = std::function<std::string(const Request&)>;

  // kHead: it answers after the head, and reads no body.
  enum class Reads : std::uint8_t { kAll, kHead };

  // On a free port of 127.0.0.1, or on a unix socket if `path` is given.
  explicit WebApplication(Behaviour behaviour, const std::string& path = "",
                          Reads reads = Reads::kAll);
  ~WebApplication();
  WebApplication(const WebApplication&) = delete;
  WebApplication& operator=(const WebApplication&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::vector<Request> requests() const;
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void serve();
  void serve_connection(int file);

  Behaviour behaviour_;
  Reads reads_;
  int listener_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
};

// "HTTP/1.1 200 OK" with a body, for a connection that is kept.
[[nodiscard]] std::string http_ok(const std::string& body);

}  // namespace sealpost::test
