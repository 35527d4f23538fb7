// Outcomes of the client library: their order, and hints for unsealed answers and network errors.
#define BOOST_TEST_MODULE outcome
#include "client/outcome.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "client/sender.h"
#include "support/print.h"
#include "support/process.h"

namespace sealpost {
namespace {

using Kind = Outcome::Kind;

const HttpWatch kWatch{.left = [] { return 10 * kSecond; }};

BOOST_AUTO_TEST_CASE(outcomes_are_ordered_from_accepted_to_open) {
  const Kind order[] = {Kind::kAccepted, Kind::kRejected, Kind::kFailed, Kind::kUnknown,
                        Kind::kOpen};
  for (std::size_t i = 1; i < std::size(order); ++i) {
    BOOST_TEST(severity({order[i - 1], {}, {}, {}}) < severity({order[i], {}, {}, {}}), i);
  }
}

BOOST_AUTO_TEST_CASE(unsealed_answer_is_reported_with_a_hint) {
  const std::tuple<int, std::size_t, const char*> rows[] = {
      {403, 100, "does not know this credential, or the web server forbids the request"},
      {404, 100, "Check the URL."},
      {413, 100, "smaller bodies"},
      {500, 100'000, "smaller bodies"},
      {500, 100, "log"},
      {502, 100, "log"},
      {503, 100'000, "log"},
  };
  for (const auto& [status, size, word] : rows) {
    const Outcome outcome = unsealed({status, "", ""}, size);
    BOOST_TEST((outcome.kind == Kind::kOpen), status);
    BOOST_TEST(outcome.reason.find(word) != std::string::npos, outcome.reason);
  }
  BOOST_TEST(unsealed({500, "", ""}, 100).reason.find("smaller") == std::string::npos);
}

// Answers one request on `port` with `size` bytes.
struct LargeAnswerServer {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = test::free_port();
  std::thread thread;

  explicit LargeAnswerServer(std::size_t size) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    BOOST_REQUIRE(listen(listener, 1) == 0);
    thread = std::thread([this, size] {
      const int peer = accept(listener, nullptr, nullptr);
      std::array<char, 4096> request{};
      BOOST_TEST(recv(peer, request.data(), request.size(), 0) > 0);
      const std::string text = "HTTP/1.0 200 OK\r\n\r\n" + std::string(size, 'x');
      std::size_t sent = 0;
      while (sent < text.size()) {
        const ssize_t put = send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (put <= 0) break;
        sent += static_cast<std::size_t>(put);
      }
      close(peer);
    });
  }
  ~LargeAnswerServer() {
    thread.join();
    close(listener);
  }
  LargeAnswerServer(const LargeAnswerServer&) = delete;
  LargeAnswerServer& operator=(const LargeAnswerServer&) = delete;
};

BOOST_AUTO_TEST_CASE(network_error_names_url) {
  const std::string nobody = "http://127.0.0.1:" + std::to_string(test::free_port()) + "/gate";
  BOOST_TEST(http_post(nobody, kWatch)("x").error.find(nobody) != std::string::npos);
  const LargeAnswerServer server(3 << 20);
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port) + "/gate";
  const HttpAnswer answer = http_post(url, kWatch)("x");
  BOOST_TEST(answer.status == 0);
  BOOST_TEST(answer.error.find(url + " sent a larger answer") == 0U, answer.error);
}

BOOST_AUTO_TEST_CASE(network_error_hides_password) {
  const std::string host = "127.0.0.1:" + std::to_string(test::free_port());
  for (const char* path : {"/gate", "/a@b", ""}) {
    const std::string url = "http://user:secret@" + host + path + "?token=secret";
    const std::string trouble = http_post(url, kWatch)("x").error;
    BOOST_TEST(trouble.starts_with("http://" + host + path + ": "), trouble);
    BOOST_TEST(trouble.find("secret") == std::string::npos, trouble);
  }
}

}  // namespace
}  // namespace sealpost
