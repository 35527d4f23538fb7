// `sealpost doctor --url` and --program: the whole way from a client, through real servers that are
// in order, and through ones that are not.
#define BOOST_TEST_MODULE doctor
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/apache_site.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::ApacheOptions;
using test::ApacheSite;
using test::NginxSite;
using test::RunResult;
using test::says;
using test::Site;

RunResult doctor(const Site& site, const std::string& url) {
  return site.operate({"doctor", "--url", url});
}

void finds(const RunResult& ran, const std::string& broken) {
  BOOST_TEST(ran.status == 1, ran.out << ran.err);
  BOOST_TEST(says(ran.out, "BROKEN"), ran.out);
  BOOST_TEST(says(ran.out, broken), ran.out);
}

// What the doctor creates for its test is deleted again.
void left_nothing(const Site& site) {
  BOOST_TEST(!says(site.operate({"client", "list"}).out, "sealpost-doctor"));
  BOOST_TEST(!std::filesystem::exists(site.home.root() + "/doctor.credential"));
  BOOST_TEST(site.inbox().empty());
}

BOOST_AUTO_TEST_CASE(reports_healthy_fastcgi_gateway) {
  const NginxSite site;
  const RunResult ran = doctor(site, site.url());
  BOOST_TEST(ran.status == 0, ran.out << ran.err);
  for (const char* line :
       {"answers a handshake, and a sealed message in ", "the most that the gateway accepts",
        "The gateway rejects a compressed body", "The web server passes on a chunked body",
        "A GET is rejected (HTTP 405)", "The web server serves neither .htaccess nor the home",
        "MiB are free on the home's disk"}) {
    BOOST_TEST(says(ran.out, line), line << " is not in:\n" << ran.out);
  }
  const std::string process = "FastCGI: process " + std::to_string(site.gateways.at(0).id());
  BOOST_TEST(says(ran.out, process), ran.out);
  left_nothing(site);
  BOOST_TEST(doctor(site, site.url()).status == 0, "a second time");
}

BOOST_AUTO_TEST_CASE(reports_healthy_cgi_gateway) {
  const ApacheSite site("cgi.htaccess");
  const RunResult ran = doctor(site, site.url());
  BOOST_TEST(ran.status == 0, ran.out << ran.err);
  BOOST_TEST(says(ran.out, "runs as CGI"), ran.out);
  left_nothing(site);
}

BOOST_AUTO_TEST_CASE(prints_json_lines) {
  const NginxSite site;
  std::istringstream lines(site.operate({"doctor", "--json", "--url", site.url()}).out);
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    BOOST_TEST(nlohmann::json::parse(line).contains("finding"), line);
  }
  BOOST_TEST(count > 10);
}

BOOST_AUTO_TEST_CASE(finds_body_limit_of_web_server) {
  // mod_fcgid's own limit is 131,072 bytes.
  const ApacheSite site(
      ApacheOptions{.htaccess = "fcgid.htaccess",
                    .edits = {{"SEALPOST_MAX_BODY 131072", "SEALPOST_MAX_BODY 262144"}},
                    .lines = "FcgidMaxRequestLen 131072\n"});
  const RunResult ran = doctor(site, site.url());
  finds(ran, "The web server rejects bodies above about 13");
  finds(ran, "HTTP 500");
  finds(ran, "262144");
  left_nothing(site);
}

BOOST_AUTO_TEST_CASE(finds_program_served_as_file) {
  const ApacheSite site(ApacheOptions{.htaccess = "cgi.htaccess", .allow = "None"});
  finds(doctor(site, site.url()), "sends the program instead of running it");
  left_nothing(site);
}

BOOST_AUTO_TEST_CASE(finds_served_home_or_htaccess) {
  const ApacheSite site(
      {.htaccess = "cgi.htaccess", .edits = {{"\nRequire all denied", "\nRequire all granted"}}});
  const std::string name = std::filesystem::path(site.home.root()).filename();
  std::filesystem::create_symlink(site.home.root(), site.docroot() + "/" + name);
  finds(doctor(site, site.url()), ".htaccess is served to everybody");
  std::filesystem::remove(site.home.root() + "/.htaccess");
  finds(doctor(site, site.url()),
        "/" + name + "/url is served to everybody, and so is the home with its keys");
}

BOOST_AUTO_TEST_CASE(names_silent_url_without_its_password) {
  const NginxSite site;
  const std::string nobody =
      "http://me:secret@127.0.0.1:" + std::to_string(test::free_port()) + "/s";
  const RunResult ran = doctor(site, nobody);
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(says(ran.out, "127.0.0.1"), ran.out);
  BOOST_TEST(!says(ran.out + ran.err, "secret"), ran.out);
  finds(doctor(site, site.url().substr(0, site.url().rfind('/')) + "/elsewhere"),
        "does not exist (404)");
  left_nothing(site);
}

BOOST_AUTO_TEST_CASE(recognizes_another_servers_gateway) {
  const NginxSite site;
  const NginxSite other;
  finds(doctor(site, other.url()), "Check that SEALPOST_HOME there names this home");
  left_nothing(site);
}

BOOST_AUTO_TEST_CASE(finds_gateway_without_home) {
  const NginxSite site;
  const NginxSite other;
  std::filesystem::rename(other.home.root() + "/keys", other.home.root() + "/gone");
  finds(doctor(site, other.url()), "the gateway cannot use its home (503)");
}

BOOST_AUTO_TEST_CASE(checks_program_file) {
  const NginxSite site;
  const std::string file = site.script("program", "exit 0");
  const auto look = [&] { return site.operate({"doctor", "--program", file}); };
  chmod(file.c_str(), 0755);
  BOOST_TEST(look().status == 0, look().out);
  chmod(file.c_str(), 0644);
  finds(look(), "is not executable");
  chmod(file.c_str(), 0775);
  finds(look(), "is writable by others");
  std::filesystem::remove(file);
  finds(look(), "is missing");
}

}  // namespace
}  // namespace sealpost
