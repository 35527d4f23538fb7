#define BOOST_TEST_MODULE envelope
#include "protocol/envelope.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/print.h"

namespace sealpost {
namespace {

const std::string kHmac(43, 'A');  // 32 zero bytes

BOOST_AUTO_TEST_CASE(reads_three_fields_in_any_order) {
  const std::string name = "name=client1";
  const std::string hmac = "key_use_hmac=" + kHmac;
  const std::string message = "encrypted_message=EQE";
  std::vector<std::string> fields = {name, hmac, message};
  std::sort(fields.begin(), fields.end());
  do {
    const auto envelope = Envelope::parse(fields[0] + "&" + fields[1] + "&" + fields[2]);
    BOOST_REQUIRE(static_cast<bool>(envelope));
    BOOST_TEST(envelope->name == "client1");
    BOOST_TEST(envelope->key_use_hmac.value() == KeyUseHmac{});
    BOOST_TEST(hex(envelope->message) == "1101");
    BOOST_TEST(envelope->kind() == kHandshakeKind);
  } while (std::next_permutation(fields.begin(), fields.end()));
}

BOOST_AUTO_TEST_CASE(name_and_key_use_hmac_are_optional) {
  const auto envelope = Envelope::parse("encrypted_message=EgA");
  BOOST_REQUIRE(static_cast<bool>(envelope));
  BOOST_TEST(envelope->name.empty());
  BOOST_TEST(!envelope->key_use_hmac.has_value());
  BOOST_TEST(hex(envelope->clear()) == "0000");
  const auto named = Envelope::parse("name=ab&encrypted_message=EgA");
  BOOST_TEST(hex(named->clear()) == "02616200");
}

BOOST_AUTO_TEST_CASE(rejects_every_body_but_the_form) {
  const std::string message = "encrypted_message=EQE";
  const std::pair<std::string, const char*> rows[] = {
      {"", "an empty body"},
      {"encrypted_message", "no equals sign"},
      {"encrypted_message=", "an empty message"},
      {"name=client1", "no message"},
      {"name=client1&key_use_hmac=" + kHmac, "no message, either"},
      {message + "&", "a separator at the end"},
      {"&" + message, "a separator at the start"},
      {"name=a&&" + message, "two separators"},
      {message + "\n", "a newline at the end"},
      {message + "\r\n", "a newline at the end"},
      {" " + message, "a blank at the start"},
      {message + "&" + message, "the same field twice"},
      {"name=a&name=a&" + message, "the same field twice"},
      {"name=&" + message, "an empty name"},
      {"name=a b&" + message, "a blank in the name"},
      {"name=a+b&" + message, "a plus in the name"},
      {"name=a%62&" + message, "percent-encoding"},
      {"name=" + std::string(65, 'a') + "&" + message, "a name of 65 bytes"},
      {"Name=a&" + message, "a capital in a field's name"},
      {"other=a&" + message, "another field"},
      {message + "&other=", "another field behind"},
      {"key_use_hmac=&" + message, "an empty MAC"},
      {"key_use_hmac=" + std::string(42, 'A') + "&" + message, "a MAC of 42 characters"},
      {"key_use_hmac=" + std::string(44, 'A') + "&" + message, "a MAC of 44 characters"},
      {"key_use_hmac=" + std::string(42, 'A') + "B&" + message, "unused bits in the MAC"},
      {"encrypted_message=EQE=", "padding"},
      {"encrypted_message=EQF", "unused bits not zero"},
      {"encrypted_message=EQEAA", "length mod 4 = 1"},
      {"encrypted_message=EQ+A", "the other alphabet"},
      {"encrypted_message=EQ%41A", "percent-encoding in the message"},
      {std::string("encrypted_message=EQ\0E", 22), "a zero byte"},
      {message + ";name=a", "another separator"},
  };
  for (const auto& [body, why] : rows) {
    const auto envelope = Envelope::parse(body);
    BOOST_TEST(!envelope, why);
    if (!envelope) BOOST_TEST(envelope.error() == Reason::kForm);
  }
}

BOOST_AUTO_TEST_CASE(form_survives_round_trip) {
  Envelope envelope;
  envelope.message = {0x12, 1, 2, 3};
  for (const bool named : {false, true}) {
    for (const bool with_hmac : {false, true}) {
      envelope.name = named ? "client.1" : "";
      envelope.key_use_hmac.reset();
      if (with_hmac) envelope.key_use_hmac = KeyUseHmac{1, 2, 3};
      const auto again = Envelope::parse(envelope.form());
      BOOST_REQUIRE(static_cast<bool>(again));
      BOOST_TEST(again->name == envelope.name);
      BOOST_TEST((again->key_use_hmac == envelope.key_use_hmac));
      BOOST_TEST(again->message == envelope.message, boost::test_tools::per_element());
      BOOST_TEST(again->clear() == envelope.clear(), boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(form_accepts_leading_dot_and_leaves_it_to_the_handshake) {
  BOOST_TEST(static_cast<bool>(Envelope::parse("name=.a&encrypted_message=EQE")));
}

BOOST_AUTO_TEST_CASE(compares_media_type_without_case_and_parameters) {
  for (const char* type : {"application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded",
                           "application/x-www-form-urlencoded; charset=utf-8",
                           " application/x-www-form-urlencoded\t;x"}) {
    BOOST_TEST(is_form_type(type), type);
  }
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded2", ";",
                           "application/x-www-form-urlencode", "multipart/form-data",
                           "application/x-www-form-urlencoded, text/plain"}) {
    BOOST_TEST(!is_form_type(type), type);
  }
}

}  // namespace
}  // namespace sealpost
