// The hand-off to libfcgi.  It leans on two fields of FCGX_Request that its header calls private,
// ipcFd and keepConnection: if a libfcgi treats them otherwise, this is where it is seen.
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

struct Pair {
  int ends[2];
  Pair() {
    static const int ready = FCGX_Init();
    BOOST_REQUIRE(ready == 0);
    BOOST_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
};

// A server's end and a web server's end, connected.
struct Wire : Pair {
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

BOOST_AUTO_TEST_CASE(a_request_is_read_and_answered) {
  Wire wire;
  wire.peer.request("a body", false, {{"SEALPOST_HOME", "/h"}});
  const Request request = read(wire.server);
  BOOST_TEST(request.method == "POST");
  BOOST_TEST(request.content_type.value() == "application/x-www-form-urlencoded");
  BOOST_TEST(request.announced.value() == 6U);
  BOOST_TEST(request.body == "a body");
  BOOST_TEST(!request.body_cut);
  BOOST_TEST(std::string(find_variable(wire.server.variables(), "SEALPOST_HOME")) == "/h");
  BOOST_TEST(find_variable(wire.server.variables(), "SEALPOST_LOG") == nullptr);
  BOOST_TEST(!wire.server.answer({200, "sealed", true}), "nobody asked to keep it");
  const FastcgiPeer::Answer answer = wire.peer.read();
  BOOST_TEST(answer.ended);
  BOOST_TEST(answer.status() == 200);
  BOOST_TEST(answer.body() == "sealed");
}

BOOST_AUTO_TEST_CASE(a_kept_connection_carries_one_request_after_another) {
  Wire wire;
  for (int i = 0; i < 5; ++i) {
    wire.peer.request("body " + std::to_string(i), true);
    BOOST_TEST(read(wire.server).body == "body " + std::to_string(i));
    BOOST_TEST(wire.server.answer({200, std::to_string(i), true}));
    BOOST_TEST(wire.peer.read().body() == std::to_string(i));
    BOOST_TEST(is_open(wire.ends[0]));
  }
}

BOOST_AUTO_TEST_CASE(it_is_we_who_close_and_without_lingering) {
  Pair pair;
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

BOOST_AUTO_TEST_CASE(a_body_that_does_not_fit_is_read_to_its_end_and_the_connection_lives_on) {
  Wire wire;
  // 200 kB do not fit into the socket's buffer: the peer needs a thread of its own to write them.
  std::thread writer([&] { wire.peer.request(std::string(200'000, 'x'), true); });
  const Request request = read(wire.server, 1000);
  writer.join();
  BOOST_TEST(request.body_too_large);
  BOOST_TEST(request.body.size() <= 1000U);
  BOOST_TEST(wire.server.answer({413, "too large\n", false}));
  BOOST_TEST(wire.peer.read().status() == 413);
  wire.peer.request("next", true);
  BOOST_TEST(read(wire.server).body == "next");
}

BOOST_AUTO_TEST_CASE(a_body_of_just_the_size_fits) {
  Wire wire;
  wire.peer.request(std::string(1000, 'x'), true);
  const Request request = read(wire.server, 1000);
  BOOST_TEST(!request.body_too_large);
  BOOST_TEST(request.body.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(an_announced_size_that_does_not_fit_is_too_large_whatever_comes) {
  Wire wire;
  wire.peer.request("x", true, {{"CONTENT_LENGTH", "1001"}});
  BOOST_TEST(read(wire.server, 1000).body_too_large);
}

BOOST_AUTO_TEST_CASE(a_stream_without_its_end_is_cut_and_so_is_the_connection) {
  Wire wire;
  wire.peer.begin(true);
  wire.peer.params({{"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "4"}});
  wire.peer.body("full");
  shutdown(wire.ends[1], SHUT_WR);
  const Request request = read(wire.server);
  BOOST_TEST(request.body == "full");
  BOOST_TEST(request.body_cut, "all bytes are there, but not the word that they are");
  BOOST_TEST(!wire.server.answer({400, "form\n", false}));
}

BOOST_AUTO_TEST_CASE(a_connection_that_breaks_off_in_the_head_is_of_no_more_use) {
  for (const bool params : {false, true}) {
    Wire wire;
    if (params) {
      wire.peer.begin(true);
      wire.peer.params({});
    }
    wire.peer.close();
    if (!params) BOOST_TEST(!wire.server.read_head());
    if (params) BOOST_TEST(read(wire.server).body_cut);
  }
  Wire garbage;
  BOOST_REQUIRE(write(garbage.ends[1], "GET / HTTP/1.1\r\n\r\n", 18) == 18);
  garbage.peer.close();
  BOOST_TEST(!garbage.server.read_head());
}

BOOST_AUTO_TEST_CASE(a_peer_that_goes_before_the_answer_does_no_harm) {
  Wire wire;
  signal(SIGPIPE, SIG_IGN);
  wire.peer.request("x", true);
  (void)read(wire.server);
  wire.peer.close();
  BOOST_TEST(!wire.server.answer({200, std::string(100'000, 'x'), true}));
}

}  // namespace
}  // namespace sealpost
