// The client's tool through a proxy that loses, repeats and forges, and from a copied state folder.
#define BOOST_TEST_MODULE adversary
#include "support/adversary.h"

#include <boost/test/unit_test.hpp>
#include <set>
#include <thread>

#include "support/site.h"

namespace sealpost {
namespace {

using test::NginxSite;

test::RunResult client_tool(const std::string& state, std::vector<std::string> words) {
  words.insert(words.begin(), {test::program("sealpost-client"), "--state", state});
  return test::run(words);
}

BOOST_AUTO_TEST_CASE(clients_deliver_exactly_once_through_adversary) {
  NginxSite site({.processes = 2});
  const unsigned seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  test::Adversary adversary(site.url(), seed);
  constexpr int kClients = 3;
  constexpr int kMessages = 12;
  std::vector<std::thread> threads;
  std::atomic<bool> all_settled = true;
  for (int i = 0; i < kClients; ++i) {
    const std::string name = "client" + std::to_string(i);
    const std::string credential = site.credential(name, adversary.url());
    threads.emplace_back([&, name, credential] {
      const std::string state = site.folder / name;
      const auto until_settled = [&](std::vector<std::string> words) {
        int status = client_tool(state, std::move(words)).status;
        for (int tries = 0; status == 3 && tries < 20; ++tries) {
          status = client_tool(state, {"flush"}).status;
        }
        if (status != 0) all_settled = false;
      };
      until_settled({"install", credential});
      for (int number = 0; number < kMessages; ++number) {
        until_settled({"send", "--data", name + "-" + std::to_string(number)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(all_settled);
  std::multiset<std::string> stored;
  for (const InboxRow& row : site.inbox()) stored.emplace(text_of(row.body));
  for (int i = 0; i < kClients; ++i) {
    for (int number = 0; number < kMessages; ++number) {
      const std::string body = "client" + std::to_string(i) + "-" + std::to_string(number);
      BOOST_TEST(stored.count(body) == 1U, body);
    }
  }
  BOOST_TEST(stored.size() == static_cast<std::size_t>(kClients * kMessages));
  BOOST_TEST(adversary.counts.swallowed > 0);
  BOOST_TEST(adversary.counts.answers_lost > 0);
  BOOST_TEST(adversary.counts.doubled > 0);
  BOOST_TEST(adversary.counts.replayed > 0);
}

BOOST_AUTO_TEST_CASE(detects_copied_client_state_and_stores_nothing_twice) {
  NginxSite site;
  const std::string one = site.folder / "one";
  const std::string two = site.folder / "two";
  BOOST_REQUIRE(client_tool(one, {"install", site.credential("client1", site.url())}).status == 0);
  BOOST_REQUIRE(client_tool(one, {"send", "--data", "1"}).status == 0);
  std::filesystem::copy(one, two, std::filesystem::copy_options::recursive);
  BOOST_TEST(client_tool(one, {"send", "--data", "from one"}).status == 0);
  const test::RunResult clash = client_tool(two, {"send", "--data", "from two"});
  BOOST_TEST(clash.status == 4);
  BOOST_TEST(clash.err.find("Two copies") != std::string::npos, clash.err);
  BOOST_TEST(site.log().find("\"alarm\":\"conflict\"") != std::string::npos);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(client_tool(two, {"send", "--data", "two " + std::to_string(i)}).status == 0);
    BOOST_TEST(client_tool(one, {"send", "--data", "one " + std::to_string(i)}).status == 0);
  }
  const test::RunResult last = client_tool(two, {"send", "--data", "end"});
  BOOST_TEST(last.err.find("in use elsewhere") != std::string::npos, last.err);
  BOOST_TEST(site.bodies() == "1\nfrom one\ntwo 0\none 0\ntwo 1\none 1\ntwo 2\none 2\nend\n");
}

}  // namespace
}  // namespace sealpost
