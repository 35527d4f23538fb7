// The hand-off to libfcgi.  It uses two fields of FCGX_Request that the header calls private, ipcFd
// and keepConnection.  This test fails if a version of libfcgi treats them differently.
#define BOOST_TEST_MODULE fastcgi
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <thread>

#include "server/cgi_variables.h"
#include "server/fastcgi_connection.h"
#include "support/fastcgi_peer.h"

namespace sealpost {
namespace {

using test::FastcgiPeer;

struct SocketPair {
  int ends[2];
  SocketPair() {
    static const int ready = FCGX_Init();
    BOOST_REQUIRE(ready == 0);
    BOOST_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const timeval timeout{.tv_sec = 5, .tv_usec = 0};
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
};

// The gateway's end and the web server's end of one connection.
struct FastcgiFixture : SocketPair {
  FastcgiConnection server{ends[0]};
  FastcgiPeer peer{ends[1]};
};

Request read(FastcgiConnection& server, std::size_t max_body = 1000) {
  BOOST_REQUIRE(server.read_head());
  Request request = request_from(server.variables());
  server.read_body(request, max_body);
  return request;
}

bool is_open(int file) { return fcntl(file, F_GETFD) >= 0; }

BOOST_AUTO_TEST_CASE(reads_and_answers_request) {
  FastcgiFixture fixture;
  fixture.peer.request("a body", false, {{"SEALPOST_HOME", "/h"}});
  const Request request = read(fixture.server);
  BOOST_TEST(request.method == "POST");
  BOOST_TEST(request.content_type.value() == "application/x-www-form-urlencoded");
  BOOST_TEST(request.announced.value() == 6U);
  BOOST_TEST(request.body == "a body");
  BOOST_TEST(!request.body_cut);
  BOOST_TEST(std::string(find_variable(fixture.server.variables(), "SEALPOST_HOME")) == "/h");
  BOOST_TEST(find_variable(fixture.server.variables(), "SEALPOST_LOG") == nullptr);
  BOOST_TEST(!fixture.server.answer({200, "sealed", true}), "nobody asked to keep it");
  const FastcgiPeer::Answer answer = fixture.peer.read();
  BOOST_TEST(answer.ended);
  BOOST_TEST(answer.status() == 200);
  BOOST_TEST(answer.body() == "sealed");
}

BOOST_AUTO_TEST_CASE(kept_connection_carries_several_requests) {
  FastcgiFixture fixture;
  for (int i = 0; i < 5; ++i) {
    fixture.peer.request("body " + std::to_string(i), true);
    BOOST_TEST(read(fixture.server).body == "body " + std::to_string(i));
    BOOST_TEST(fixture.server.answer({200, std::to_string(i), true}));
    BOOST_TEST(fixture.peer.read().body() == std::to_string(i));
    BOOST_TEST(is_open(fixture.ends[0]));
  }
}

BOOST_AUTO_TEST_CASE(closes_connection_without_lingering) {
  SocketPair pair;
  FastcgiPeer peer(pair.ends[1]);
  const auto start = std::chrono::steady_clock::now();
  {
    FastcgiConnection server(pair.ends[0]);
    peer.request("x", false);
    (void)read(server);
    BOOST_TEST(!server.answer({200, "", true}));
    BOOST_TEST(is_open(pair.ends[0]), "libfcgi has not closed it");
  }
  BOOST_TEST(!is_open(pair.ends[0]));
  BOOST_TEST(peer.read().ended);
  BOOST_TEST(peer.is_closed());
  BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds(1)));
}

BOOST_AUTO_TEST_CASE(reads_oversized_body_to_its_end_and_keeps_connection) {
  FastcgiFixture fixture;
  // 200 kB do not fit into the socket's buffer: the peer needs a thread of its own to write them.
  std::thread writer([&] { fixture.peer.request(std::string(200'000, 'x'), true); });
  const Request request = read(fixture.server, 1000);
  writer.join();
  BOOST_TEST(request.body_too_large);
  BOOST_TEST(request.body.size() <= 1000U);
  BOOST_TEST(fixture.server.answer({413, "too large\n", false}));
  BOOST_TEST(fixture.peer.read().status() == 413);
  fixture.peer.request("next", true);
  BOOST_TEST(read(fixture.server).body == "next");
}

BOOST_AUTO_TEST_CASE(accepts_body_of_exactly_max_size) {
  FastcgiFixture fixture;
  fixture.peer.request(std::string(1000, 'x'), true);
  const Request request = read(fixture.server, 1000);
  BOOST_TEST(!request.body_too_large);
  BOOST_TEST(request.body.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(announced_size_above_limit_is_too_large) {
  FastcgiFixture fixture;
  fixture.peer.request("x", true, {{"CONTENT_LENGTH", "1001"}});
  BOOST_TEST(read(fixture.server, 1000).body_too_large);
}

BOOST_AUTO_TEST_CASE(unfinished_stream_is_cut_and_closes_connection) {
  FastcgiFixture fixture;
  fixture.peer.begin(true);
  fixture.peer.params({{"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "4"}});
  fixture.peer.body("full");
  shutdown(fixture.ends[1], SHUT_WR);
  const Request request = read(fixture.server);
  BOOST_TEST(request.body == "full");
  BOOST_TEST(request.body_cut, "all bytes are there, but not the word that they are");
  BOOST_TEST(!fixture.server.answer({400, "form\n", false}));
}

BOOST_AUTO_TEST_CASE(connection_broken_in_head_is_closed) {
  for (const bool params : {false, true}) {
    FastcgiFixture fixture;
    if (params) {
      fixture.peer.begin(true);
      fixture.peer.params({});
    }
    fixture.peer.close();
    if (!params) BOOST_TEST(!fixture.server.read_head());
    if (params) BOOST_TEST(read(fixture.server).body_cut);
  }
  FastcgiFixture garbage;
  BOOST_REQUIRE(write(garbage.ends[1], "GET / HTTP/1.1\r\n\r\n", 18) == 18);
  garbage.peer.close();
  BOOST_TEST(!garbage.server.read_head());
}

BOOST_AUTO_TEST_CASE(peer_may_close_before_answer) {
  FastcgiFixture fixture;
  signal(SIGPIPE, SIG_IGN);
  fixture.peer.request("x", true);
  (void)read(fixture.server);
  fixture.peer.close();
  BOOST_TEST(!fixture.server.answer({200, std::string(100'000, 'x'), true}));
}

}  // namespace
}  // namespace sealpost
