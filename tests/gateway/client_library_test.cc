// A program outside this tree that links against the client library.
#define BOOST_TEST_MODULE client_library
#include <boost/test/unit_test.hpp>

#include "support/print.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::NginxSite;
using test::RunResult;
using Arguments = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(program_links_against_client_library) {
  NginxSite site;
  const std::string credential = site.credential("linked", site.url());
  test::write_text(site.folder / "main.cc", R"(
#include <sealpost/client.h>
#include <iostream>
int main(int, char** arguments) {
  sealpost::Client client({.state = arguments[2]});
  if (client.install(arguments[1]).kind != sealpost::Outcome::Kind::kAccepted) return 1;
  const sealpost::Outcome outcome = client.send("linked/topic", "from a program");
  std::cout << name_of(outcome.status) << std::endl;
  return outcome.kind == sealpost::Outcome::Kind::kAccepted ? 0 : 1;
})");
  Arguments compile = {"g++", "-std=c++20",         "-Iinclude",
                       "-o",  site.folder / "main", site.folder / "main.cc"};
  if (const char* sanitize = std::getenv("SEALPOST_SANITIZE");
      sanitize != nullptr && *sanitize != '\0') {
    compile.push_back(std::string("-fsanitize=") + sanitize);
  }
  compile.insert(compile.end(),
                 {test::program("../lib/libsealpost-client.a"), "-lcurl", "-lcrypto"});
  const RunResult built = test::run(compile);
  BOOST_REQUIRE(built.status == 0);
  const RunResult ran = test::run({site.folder / "main", credential, site.folder / "state"});
  BOOST_TEST(ran.status == 0, ran.err);
  BOOST_TEST(ran.out == "accepted\n");
  BOOST_TEST(site.bodies() == "from a program\n");
}

}  // namespace
}  // namespace sealpost
