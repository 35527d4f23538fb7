// The client's tool on networks that are silent or slow.
#define BOOST_TEST_MODULE client_network
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "support/print.h"
#include "support/slow_uplink.h"
#include "support/tools.h"

namespace sealpost {
namespace {

using test::InstalledClient;
using test::MuteServer;
using test::RunResult;
using test::says;
using test::SlowUplink;
using Clock = std::chrono::steady_clock;

struct MovingClient : InstalledClient {
  MovingClient() { BOOST_REQUIRE(tool({"install", credential}).status == 0); }

  // Installs the credential again with another URL, which need not answer.
  void use(const std::string& url) const {
    nlohmann::json text = nlohmann::json::parse(test::read_text(credential));
    text["url"] = url;
    test::write_text(credential, text.dump());
    (void)tool({"--timeout", "1", "install", credential});
  }
  [[nodiscard]] int port() const {
    const std::string url = site.url();
    return std::stoi(url.substr(url.rfind(':') + 1));
  }
};

double seconds_since(Clock::time_point started) {
  return std::chrono::duration<double>(Clock::now() - started).count();
}

BOOST_AUTO_TEST_CASE(command_ends_in_time_if_server_never_answers) {
  const MovingClient client;
  const MuteServer mute;
  client.use(mute.url());
  const std::vector<test::Arguments> commands = {
      {"send", "--data", "x"}, {"send", "--data", "y"}, {"flush"}, {"ping"}};
  for (test::Arguments words : commands) {
    words.insert(words.begin(), {"--timeout", "2"});
    const Clock::time_point started = Clock::now();
    const RunResult ran = client.tool(words);
    BOOST_TEST(seconds_since(started) < 5.0, words[2]);
    BOOST_TEST(ran.status == 3, ran.err);
    BOOST_TEST(says(ran.err, "no answer arrived in time"), ran.err);
    BOOST_TEST(says(ran.err, "kept: flush will send it") == (words[2] != "ping"), ran.err);
  }
  client.use(client.site.url());
  BOOST_TEST(client.tool({"flush"}).status == 0);
  BOOST_TEST(client.site.bodies() == "x\ny\n");
}

BOOST_AUTO_TEST_CASE(install_ends_in_time_if_server_never_answers) {
  InstalledClient client;
  const MuteServer mute;
  const std::string credential = client.site.credential("client2", mute.url());
  const Clock::time_point started = Clock::now();
  const RunResult ran = client.tool({"--timeout", "2", "install", credential});
  BOOST_TEST(seconds_since(started) < 5.0);
  BOOST_TEST(ran.status == 3, ran.err);
  BOOST_TEST(says(ran.err, "not tested"), ran.err);
}

BOOST_AUTO_TEST_CASE(slow_uplink_delivers_body_that_takes_longer_than_timeout) {
  const MovingClient client;
  const SlowUplink uplink(client.port(), 100'000);
  client.use(uplink.url());
  test::write_text(client.site.folder / "body", std::string(400'000, 'b'));
  const Clock::time_point started = Clock::now();
  const RunResult ran =
      client.tool({"--timeout", "2", "send", "--file", client.site.folder / "body"});
  BOOST_TEST(ran.status == 0, ran.err);
  BOOST_TEST(seconds_since(started) > 4.0, "the link carries 533,000 bytes in more than 5 s");
  BOOST_TEST(client.site.inbox().size() == 1U);
}

}  // namespace
}  // namespace sealpost
