// All unauthenticated requests get the same answer.
#define BOOST_TEST_MODULE identical_answers
#include <boost/test/unit_test.hpp>

#include "support/apache_site.h"
#include "support/fastcgi_peer.h"
#include "support/site.h"
#include "support/unauthenticated_requests.h"

namespace sealpost {
namespace {

using test::by_http;
using test::heard_by_all;
using test::NginxSite;

BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_through_nginx) {
  for (const bool keep : {false, true}) {
    NginxSite site({.keep = keep});
    BOOST_TEST(heard_by_all(site, by_http(site)).starts_with("HTTP/1.1 403 "));
  }
}

BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_from_cgi) {
  test::ApacheSite site("cgi.htaccess");
  BOOST_TEST(heard_by_all(site, by_http(site)).starts_with("HTTP/1.1 403 "));
}

// The gateway's own bytes, without a web server that could make answers alike.
BOOST_AUTO_TEST_CASE(unauthenticated_clients_get_identical_answers_over_fastcgi) {
  NginxSite site;
  const std::string heard = heard_by_all(site, [&](const std::string& form) {
    test::FastcgiPeer server(site.socket());
    server.request(form, false, {{"SEALPOST_HOME", site.home.root()}});
    return server.read().text;
  });
  BOOST_TEST(heard ==
             "Status: 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n"
             "Cache-Control: no-store\r\n\r\nrefused\n");
}

}  // namespace
}  // namespace sealpost
