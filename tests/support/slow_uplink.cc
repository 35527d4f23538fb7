#include "support/slow_uplink.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>

namespace sealpost::test {
namespace {

constexpr int kPartsPerSecond = 20;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int port_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  BOOST_REQUIRE(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

bool has_input(int socket, int timeout_ms) {
  pollfd wanted{socket, POLLIN, 0};
  return poll(&wanted, 1, timeout_ms) > 0;
}

// Carries at most `most` bytes.  Returns false at the end of the connection.
bool carry_some(int from, int to, std::size_t most) {
  std::array<char, 65'536> bytes{};
  const ssize_t got = recv(from, bytes.data(), std::min(most, bytes.size()), 0);
  return got > 0 && send(to, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
}

}  // namespace

MuteServer::MuteServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(0);
  const int small = 4096;  // so that the far side of the link does not take what is on its way
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  BOOST_REQUIRE(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  BOOST_REQUIRE(listen(socket_, 16) == 0);
}

MuteServer::~MuteServer() { close(socket_); }

std::string MuteServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_of(socket_)) + "/gate";
}

SlowUplink::SlowUplink(int port, std::size_t rate)
    : port_(port), rate_(rate), thread_([this] { serve(); }) {}

SlowUplink::~SlowUplink() {
  shutdown(entry_.socket(), SHUT_RDWR);  // accept() returns
  thread_.join();
}

void SlowUplink::serve() {
  for (int client = 0; (client = accept(entry_.socket(), nullptr, nullptr)) >= 0; close(client)) {
    carry(client);
  }
}

void SlowUplink::carry(int client) const {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  while (open) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 / kPartsPerSecond));  // the link
    if (has_input(client, 0)) open = carry_some(client, server, rate_ / kPartsPerSecond);
    while (open && has_input(server, 0)) open = carry_some(server, client, 65'536);
  }
  close(server);
}

}  // namespace sealpost::test
