// Each way to run the gateway, with the ready files of htaccess/ and deploy/: the same requests,
// the same answers.
#define BOOST_TEST_MODULE server_setups
#include "support/server_setups.h"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "support/apache_site.h"

namespace sealpost::test {

std::ostream& operator<<(std::ostream& out, const ServerSetup& setup) { return out << setup.name; }

namespace {

BOOST_DATA_TEST_CASE(every_setup_gives_the_same_answers, server_setups()) {
  const std::unique_ptr<Site> site = sample.make();
  expect_the_same_answers(*site, sample);
}

// A home without a web server.
struct SiteWithoutServer : Site {};

BOOST_AUTO_TEST_CASE(systemd_verifies_units) {
  const SiteWithoutServer site;
  std::vector<std::string> verify = {"/usr/bin/systemd-analyze", "verify"};
  for (const std::string unit : {"sealpost.service", "sealpost.socket"}) {
    write_text(site.folder / unit, site.ready_file("deploy/systemd/" + unit));
    verify.push_back(site.folder / unit);
  }
  const RunResult verified = run(verify);
  BOOST_TEST(verified.status == 0);
  BOOST_TEST(verified.err == "");
  // Exposure of at most 2.0 out of 10.
  const RunResult walls = run({"/usr/bin/systemd-analyze", "security", "--offline=true",
                               "--no-pager", "--threshold=20", site.folder / "sealpost.service"});
  BOOST_TEST(walls.status == 0, walls.out << walls.err);
}

// The .htaccess files' comments promise this about AllowOverride.
BOOST_AUTO_TEST_CASE(host_with_too_narrow_allowoverride_answers_500_and_logs_why) {
  for (const char* file :
       {"cgi.htaccess", "fcgid.htaccess", "proxy-fcgi.htaccess", "suexec.htaccess"}) {
    for (const char* allow : {"FileInfo AuthConfig", "Options AuthConfig", "FileInfo Options"}) {
      const ApacheSite site(ApacheOptions{.htaccess = file, .allow = allow});
      BOOST_TEST(http(site.url(), "POST", {}, "x").status == 500, file << " with " << allow);
      BOOST_TEST(site.error_log().find(" not allowed ") != std::string::npos,
                 file << " with " << allow << ": " << site.error_log());
    }
  }
}

BOOST_AUTO_TEST_CASE(host_that_ignores_htaccess_does_not_run_the_program) {
  const ApacheSite site(ApacheOptions{.htaccess = "cgi.htaccess", .allow = "None"});
  const HttpReply reply = http(site.url(), "POST", {}, "x");
  BOOST_TEST(reply.status == 200);
  BOOST_TEST(reply.body.substr(1, 3) == "ELF", "the program itself, which is no secret");
  const ApacheSite proxy(ApacheOptions{.htaccess = "proxy-fcgi.htaccess", .allow = "None"});
  std::filesystem::remove(proxy.docroot() + "/sealpost.fcgi");
  BOOST_TEST(http(proxy.url(), "POST", {}, "x").status == 404);
}

}  // namespace
}  // namespace sealpost::test
