#include "support/adversary.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "support/site.h"

namespace sealpost::test {
namespace {

// The body of one HTTP request with a Content-Length; empty if the client closed the connection.
std::string read_request(int connection) {
  std::string all;
  std::array<char, 65536> piece;
  for (;;) {
    const std::size_t end = all.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t at = all.find("Content-Length: ");
      if (at == std::string::npos) return "";
      const std::size_t size = std::stoul(all.substr(at + 16));
      if (all.size() >= end + 4 + size) return all.substr(end + 4, size);
    }
    const ssize_t got = recv(connection, piece.data(), piece.size(), 0);
    if (got <= 0) return "";
    all.append(piece.data(), static_cast<std::size_t>(got));
  }
}

void write_answer(int connection, const Reply& reply) {
  const std::string text = "HTTP/1.1 " + std::to_string(reply.status) +
                           " X\r\nContent-Length: " + std::to_string(reply.body.size()) +
                           "\r\nConnection: close\r\n\r\n" + reply.body;
  (void)!send(connection, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace

Adversary::Adversary(std::string target, unsigned seed)
    : target_(std::move(target)),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      random_(seed) {
  const int port = free_port();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 64) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  url_ = "http://127.0.0.1:" + std::to_string(port) + "/";
  for (int i = 0; i < 8; ++i) threads_.emplace_back([this] { serve(); });
}

Adversary::~Adversary() {
  shutdown(listener_, SHUT_RDWR);
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

void Adversary::serve() {
  for (;;) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    const timeval timeout{.tv_sec = 10, .tv_usec = 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    relay_badly(connection);
    close(connection);
  }
}

void Adversary::relay_badly(int connection) {
  const std::string form = read_request(connection);
  if (form.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(form);
  }
  if (random_percent() < 15)
    std::this_thread::sleep_for(std::chrono::milliseconds(random_percent()));
  if (random_percent() < 15) {
    ++counts.swallowed;
    return;
  }
  if (random_percent() < 15) {  // an earlier request first, or the same one twice
    ++counts.replayed;
    (void)post_form(target_, some_old_request());
  }
  Reply reply = post_form(target_, form);
  ++counts.passed;
  if (random_percent() < 15) {  // sends the same bytes again; the client gets the second answer
    ++counts.doubled;
    reply = post_form(target_, form);
  }
  // A test needs at least one lost answer, also in a short run.
  const bool overdue = counts.passed > 10 && counts.answers_lost == 0;
  if (overdue || random_percent() < 15) {
    ++counts.answers_lost;
    return;
  }
  if (random_percent() < 5) {
    ++counts.forged;
    reply = {random_percent() < 50 ? 403 : 200, "text/plain", "refused\n"};
  }
  write_answer(connection, reply);
}

int Adversary::random_percent() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(random_() % 100);
}

std::string Adversary::some_old_request() {
  const std::lock_guard lock(mutex_);
  return seen_[random_() % seen_.size()];
}

}  // namespace sealpost::test
