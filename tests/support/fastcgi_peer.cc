#include "support/fastcgi_peer.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace sealpost::test {
namespace {

constexpr unsigned char kBegin = 1, kEnd = 3, kParams = 4, kStdin = 5, kStdout = 6;
constexpr int kTimeout = 10'000;  // ms

bool wait_readable(int file, int timeout) {
  pollfd wait{file, POLLIN, 0};
  return poll(&wait, 1, timeout) == 1;
}

bool read_exactly(int file, std::string& out, std::size_t size) {
  out.resize(size);
  std::size_t done = 0;
  while (done < size) {
    if (!wait_readable(file, kTimeout)) return false;
    const ssize_t got = ::read(file, out.data() + done, size - done);
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

std::string length_of(std::size_t size) {
  if (size < 128) return {static_cast<char>(size)};
  return {static_cast<char>(size >> 24 | 0x80), static_cast<char>(size >> 16),
          static_cast<char>(size >> 8), static_cast<char>(size)};
}

}  // namespace

FastcgiPeer::~FastcgiPeer() { close(); }

FastcgiPeer::FastcgiPeer(const std::string& path)
    : file_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(file_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to " + path + ": " + std::strerror(errno));
  }
}

void FastcgiPeer::begin(bool keep) {
  record(kBegin, std::string{0, 1, static_cast<char>(keep ? 1 : 0), 0, 0, 0, 0, 0});
}

void FastcgiPeer::params(const std::map<std::string, std::string>& values) {
  std::string content;
  for (const auto& [name, value] : values) {
    content.append(length_of(name.size()))
        .append(length_of(value.size()))
        .append(name)
        .append(value);
  }
  record(kParams, content);
  record(kParams, "");
}

void FastcgiPeer::body(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 30'000)
    record(kStdin, bytes.substr(at, 30'000));
}

void FastcgiPeer::end_body() { record(kStdin, ""); }

void FastcgiPeer::request(const std::string& bytes, bool keep,
                          std::map<std::string, std::string> more) {
  more.try_emplace("REQUEST_METHOD", "POST");
  more.try_emplace("CONTENT_TYPE", "application/x-www-form-urlencoded");
  more.try_emplace("CONTENT_LENGTH", std::to_string(bytes.size()));
  begin(keep);
  params(more);
  body(bytes);
  end_body();
}

bool FastcgiPeer::is_read() const {
  int unread = 0;
  return ioctl(file_, SIOCOUTQ, &unread) == 0 && unread == 0;
}

FastcgiPeer::Answer FastcgiPeer::read() const {
  Answer answer;
  for (;;) {
    std::string header;
    std::string content;
    if (!read_exactly(file_, header, 8)) return answer;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(header[i]); };
    const std::size_t size = byte(4) * 256U + byte(5);
    if (!read_exactly(file_, content, size + byte(6))) return answer;
    content.resize(size);
    if (byte(1) == kStdout) answer.text += content;
    if (byte(1) == kEnd) {
      answer.ended = true;
      return answer;
    }
  }
}

int FastcgiPeer::Answer::status() const {
  const std::size_t at = text.find("Status: ");
  return at == std::string::npos ? 0 : std::stoi(text.substr(at + 8, 3));
}

std::string FastcgiPeer::Answer::body() const {
  const std::size_t at = text.find("\r\n\r\n");
  return at == std::string::npos ? "" : text.substr(at + 4);
}

bool FastcgiPeer::is_closed() const {
  char byte = 0;
  return wait_readable(file_, kTimeout) && ::read(file_, &byte, 1) <= 0;
}

void FastcgiPeer::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void FastcgiPeer::record(unsigned char type, const std::string& content) const {
  std::string bytes{1,
                    static_cast<char>(type),
                    0,
                    1,
                    static_cast<char>(content.size() >> 8),
                    static_cast<char>(content.size()),
                    0,
                    0};
  bytes += content;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = send(file_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (put <= 0) return;  // the other side has closed: read() will say so
    done += static_cast<std::size_t>(put);
  }
}

}  // namespace sealpost::test
