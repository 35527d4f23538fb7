#include "support/web_application.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace sealpost::test {
namespace {

// Reads until `size` bytes are there or the other side has closed.
bool fill(int file, std::string& text, std::size_t size) {
  char piece[4096];
  while (text.size() < size) {
    const ssize_t got = recv(file, piece, sizeof piece, 0);
    if (got <= 0) return false;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return true;
}

void wait_for_end(int file) {
  pollfd end{file, 0, 0};
  poll(&end, 1, -1);
}

void send_parts(int file, std::string_view answer) {
  for (;;) {
    const std::size_t pause = answer.find(WebApplication::kPause);
    const std::string_view part = answer.substr(0, pause);
    (void)!send(file, part.data(), part.size(), MSG_NOSIGNAL);
    if (pause == std::string_view::npos) return;
    usleep(40'000);  // an application that takes its time
    answer.remove_prefix(pause + WebApplication::kPause.size());
  }
}

}  // namespace

WebApplication::WebApplication(Behaviour behaviour, const std::string& path, Reads reads)
    : behaviour_(std::move(behaviour)),
      reads_(reads),
      listener_(socket(path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  if (path.empty()) {
    auto& ip = reinterpret_cast<sockaddr_in&>(address);
    ip.sin_family = AF_INET;
    ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    auto& local = reinterpret_cast<sockaddr_un&>(address);
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, sizeof local.sun_path - 1);
    size = sizeof local;
  }
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, plain, size) != 0 || listen(listener_, 64) != 0) {
    throw std::runtime_error("the web application cannot listen");
  }
  getsockname(listener_, plain, &size);
  port_ = path.empty() ? ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port) : 0;
  threads_.emplace_back([this] { serve(); });
}

WebApplication::~WebApplication() {
  shutdown(listener_, SHUT_RDWR);
  threads_[0].join();
  {
    const std::lock_guard lock(mutex_);
    for (const int file : open_) shutdown(file, SHUT_RDWR);
  }
  for (std::size_t i = 1; i < threads_.size(); ++i) threads_[i].join();
  for (const int file : open_) close(file);
  close(listener_);
}

std::vector<WebApplication::Request> WebApplication::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void WebApplication::serve() {
  for (;;) {
    const int file = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (file < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(file);
    threads_.emplace_back([this, file] { serve_connection(file); });
  }
}

void WebApplication::serve_connection(int file) {
  std::string text;
  for (;;) {
    std::size_t end = 0;
    while ((end = text.find("\r\n\r\n")) == std::string::npos) {
      if (!fill(file, text, text.size() + 1)) return;
    }
    Request request;
    request.head = text.substr(0, end + 4);
    text.erase(0, end + 4);
    const std::size_t at = request.head.find("Content-Length: ");
    const std::size_t length = at == std::string::npos || reads_ == Reads::kHead
                                   ? 0
                                   : std::stoul(request.head.substr(at + 16));
    if (!fill(file, text, length)) return;
    request.body = text.substr(0, length);
    text.erase(0, length);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    std::string answer = behaviour_(request);
    const bool keep = answer.starts_with("keep:");
    if (keep) answer.erase(0, 5);
    send_parts(file, answer);
    if (keep && reads_ == Reads::kHead) return wait_for_end(file);
    if (keep) continue;
    shutdown(file, SHUT_RDWR);
    return;
  }
}

std::string http_ok(const std::string& body) {
  return "keep:HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace sealpost::test
