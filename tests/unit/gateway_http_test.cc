// HTTP rules at the gateway, before anything is opened (PROTOCOL 4).
#define BOOST_TEST_MODULE gateway_http
#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/gateway_fixture.h"
#include "support/plain_answer.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::expect_plain;
using test::GatewayFixture;
using test::kRejected;

BOOST_AUTO_TEST_CASE(checks_http_rules_in_order_first) {
  GatewayFixture fixture;
  const std::string form = "encrypted_message=EQE";
  Request all_wrong = GatewayFixture::request("no form");
  all_wrong.method = "PUT";
  all_wrong.content_type = "text/plain";
  all_wrong.body_too_large = true;
  all_wrong.body_cut = true;
  expect_plain(fixture.post(all_wrong), {405, "post only\n"}, "method first");
  all_wrong.method = "POST";
  expect_plain(fixture.post(all_wrong), {415, "type\n"}, "then the media type");
  all_wrong.content_type = "application/x-www-form-urlencoded";
  expect_plain(fixture.post(all_wrong), {413, "too large\n"}, "then the size");
  all_wrong.body_too_large = false;
  expect_plain(fixture.post(all_wrong), {400, "form\n"}, "then whether it is whole");
  all_wrong.body_cut = false;
  expect_plain(fixture.post(all_wrong), {400, "form\n"}, "then the form");

  Request encoded = GatewayFixture::request(form);
  encoded.has_content_encoding = true;
  expect_plain(fixture.post(encoded), {415, "type\n"}, "a Content-Encoding");
  Request untyped = GatewayFixture::request(form);
  untyped.content_type.reset();
  expect_plain(fixture.post(untyped), {415, "type\n"}, "no media type");
  Request shorter = GatewayFixture::request(form);
  shorter.announced = form.size() + 1;
  expect_plain(fixture.post(shorter), {400, "form\n"}, "shorter than announced");
  Request unannounced = GatewayFixture::request(form);
  unannounced.announced.reset();
  expect_plain(fixture.post(unannounced), kRejected, "a chunked body announces nothing");
}

BOOST_AUTO_TEST_CASE(answer_has_required_headers) {
  const Response post_only{405, "post only\n", false};
  BOOST_TEST(post_only.head().find("Allow: POST\r\n") != std::string::npos);
  BOOST_TEST(post_only.head().find("Status: 405 ") == 0U);
  const Response sealed{200, "\x92", true};
  BOOST_TEST(sealed.head() ==
             "Status: 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n"
             "Cache-Control: no-store\r\n\r\n");
  const Response plain{403, "refused\n", false};
  BOOST_TEST(plain.head().find("Content-Type: text/plain\r\n") != std::string::npos);
  BOOST_TEST(plain.head().find("Cache-Control: no-store\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(invalid_home_answers_503_after_form_check) {
  GatewayFixture fixture;
  fixture.set(kHome, "/nowhere/at/all");
  expect_plain(fixture.post(GatewayFixture::request("no form")), {400, "form\n"},
               "the form comes first");
  expect_plain(fixture.post(GatewayFixture::request("encrypted_message=EQE")),
               {503, "unavailable\n"}, "then 503");
  BOOST_TEST(fixture.log().find("sealpost init") != std::string::npos, fixture.log());
  fixture.set(kHome, "");
  expect_plain(fixture.post(GatewayFixture::request("encrypted_message=EQE")),
               {503, "unavailable\n"}, "not set");
  BOOST_TEST(fixture.log().find("SEALPOST_HOME is not set") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rejects_unknown_first_byte) {
  GatewayFixture fixture;
  for (const Bytes& message :
       {Bytes{0x00}, Bytes{0x13}, Bytes{0x91}, Bytes{0x11}, Bytes{0x12}, Bytes(2000)}) {
    Envelope envelope;
    envelope.name = "client1";
    envelope.message = message;
    expect_plain(fixture.post(GatewayFixture::request(envelope.form())), kRejected, hex(message));
  }
}

}  // namespace
}  // namespace sealpost
