// A client that was written from PROTOCOL.md alone, in another language, confirms what the page
// says.
#define BOOST_TEST_MODULE interop
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "support/site.h"

namespace sealpost {
namespace {

BOOST_AUTO_TEST_CASE(independent_client_confirms_every_table_row) {
  const test::NginxSite site({.processes = 2, .keep = true});
  const test::RunResult ran =
      test::run({"/usr/bin/python3", "-B", "tests/interop/check_gateway.py", "--url", site.url(),
                 "--sealpost", test::program("sealpost"), "--home", site.home.root(), "--vectors",
                 "tests/vectors"});
  BOOST_TEST(ran.status == 0);
  std::istringstream lines(ran.out);
  int passed = 0;
  for (std::string line; std::getline(lines, line);) {
    passed += line.starts_with("ok - ");
    if (line.starts_with("FAIL")) BOOST_ERROR(line);
  }
  BOOST_TEST(passed > 400);
  BOOST_TEST(ran.err.empty(), ran.err);
}

}  // namespace
}  // namespace sealpost
