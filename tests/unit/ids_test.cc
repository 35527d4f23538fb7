#define BOOST_TEST_MODULE names
#include "protocol/ids.h"

#include <boost/test/unit_test.hpp>

#include "protocol/status.h"

namespace sealpost {
namespace {

BOOST_AUTO_TEST_CASE(names_are_short_and_begin_with_a_letter_or_digit) {
  for (const std::string& name :
       std::vector<std::string>{"a", "Z", "0", "client1", "a.b_c-d", std::string(64, 'x')}) {
    BOOST_TEST(is_name(name), name);
  }
  for (const std::string& name : std::vector<std::string>{"", ".a", "_a", "-a", "a b", "a/b", "a&b",
                                                          "a%41", "é", std::string(65, 'x')}) {
    BOOST_TEST(!is_name(name), name);
  }
  BOOST_TEST(!is_name(std::string_view("a\0", 2)));
}

BOOST_AUTO_TEST_CASE(a_name_field_is_the_same_without_the_rule_for_its_first_byte) {
  BOOST_TEST(is_name_field(".a"));
  BOOST_TEST(is_name_field("-"));
  BOOST_TEST(!is_name_field(""));
  BOOST_TEST(!is_name_field("a b"));
  BOOST_TEST(!is_name_field(std::string(65, 'x')));
}

BOOST_AUTO_TEST_CASE(topics_may_have_slashes_and_128_bytes) {
  for (const std::string& topic :
       std::vector<std::string>{"t", "/", "telemetry/room.1/x_y-z", std::string(128, 't')}) {
    BOOST_TEST(is_topic(topic), topic);
  }
  for (const std::string& topic :
       std::vector<std::string>{"", "a b", "a#", "a\n", std::string(129, 't')}) {
    BOOST_TEST(!is_topic(topic), topic);
  }
}

BOOST_AUTO_TEST_CASE(the_protocols_own_topics_begin_with_its_name_and_a_slash) {
  BOOST_TEST(is_reserved_topic("sealpost/ping"));
  BOOST_TEST(is_reserved_topic("sealpost/"));
  BOOST_TEST(!is_reserved_topic("sealpost"));
  BOOST_TEST(!is_reserved_topic("sealpost.x/y"));
  BOOST_TEST(!is_reserved_topic("Sealpost/ping"));
}

BOOST_AUTO_TEST_CASE(the_statuses_are_those_of_the_table) {
  struct Row {
    int number;
    const char* name;
    int http;
    Fate fate;
  };
  const Row rows[] = {
      {0, "accepted", 200, Fate::kSettled},  {1, "duplicate", 409, Fate::kSettled},
      {2, "in_progress", 409, Fate::kOpen},  {3, "conflict", 409, Fate::kUnknown},
      {4, "too_old", 409, Fate::kUnknown},   {5, "late", 409, Fate::kOpen},
      {6, "forbidden", 403, Fate::kSettled}, {7, "revoked", 403, Fate::kOpen},
      {8, "malformed", 409, Fate::kSettled}, {9, "failed", 409, Fate::kSettled},
      {10, "unavailable", 503, Fate::kOpen},
  };
  for (const Row& row : rows) {
    const auto status = status_of(static_cast<std::uint8_t>(row.number));
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(name_of(*status) == row.name);
    BOOST_TEST(http_status_of(*status) == row.http, row.name);
    BOOST_TEST((fate_of(*status) == row.fate), row.name);
  }
  BOOST_TEST(!status_of(11).has_value());
  BOOST_TEST(!status_of(255).has_value());
}

}  // namespace
}  // namespace sealpost
