#define BOOST_TEST_MODULE ids
#include "protocol/ids.h"

#include <boost/test/unit_test.hpp>

#include "crypto/primitives.h"
#include "protocol/status.h"

namespace sealpost {
namespace {

template <class T, class Other>
concept Comparable = requires(const T& one, const Other& other) {
  one == other;
};
// Whether the compiler rejects an Other where a T is wanted.
template <class T, class Other>
constexpr bool kAreApart = !std::is_assignable_v<T&, Other> && !std::is_convertible_v<Other, T> &&
                           !std::is_constructible_v<T, Other> && !Comparable<T, Other>;
template <class T, class... Others>
constexpr bool kIsAlone = (kAreApart<T, Others> && ...) && (kAreApart<Others, T> && ...);

static_assert(kIsAlone<ServerId, Epoch, InstallNonce, SessionId, MessageId>);
static_assert(kIsAlone<Epoch, InstallNonce, SessionId, MessageId>);
static_assert(kIsAlone<InstallNonce, SessionId, MessageId>);
static_assert(kIsAlone<SessionId, MessageId>);
static_assert(kIsAlone<crypto::Digest, crypto::PublicKey, KeyUseHmac>);
static_assert(kIsAlone<crypto::PublicKey, KeyUseHmac>);
static_assert(!kAreApart<SessionId, SessionId>, "the check itself can fail");

static_assert(!std::is_convertible_v<Milliseconds, Time> &&
              !std::is_convertible_v<Time, Milliseconds>);
static_assert(!std::is_convertible_v<std::uint64_t, Time> &&
              !std::is_convertible_v<Time, std::uint64_t>);
static_assert(!std::is_convertible_v<std::uint64_t, Milliseconds>);

BOOST_AUTO_TEST_CASE(an_id_is_read_back_as_it_was_written) {
  const SessionId id{{1, 2, 3}};
  Reader reader(id);
  BOOST_TEST((reader.id<SessionId>() == id));
  BOOST_TEST(reader.expect_end());
  BOOST_TEST((id < SessionId{{1, 2, 4}}));
}

BOOST_AUTO_TEST_CASE(name_is_short_and_begins_with_letter_or_digit) {
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

BOOST_AUTO_TEST_CASE(name_field_may_begin_with_any_name_byte) {
  BOOST_TEST(is_name_field(".a"));
  BOOST_TEST(is_name_field("-"));
  BOOST_TEST(!is_name_field(""));
  BOOST_TEST(!is_name_field("a b"));
  BOOST_TEST(!is_name_field(std::string(65, 'x')));
}

BOOST_AUTO_TEST_CASE(topic_may_have_slashes_and_128_bytes) {
  for (const std::string& topic :
       std::vector<std::string>{"t", "/", "telemetry/room.1/x_y-z", std::string(128, 't')}) {
    BOOST_TEST(is_topic(topic), topic);
  }
  for (const std::string& topic :
       std::vector<std::string>{"", "a b", "a#", "a\n", std::string(129, 't')}) {
    BOOST_TEST(!is_topic(topic), topic);
  }
}

BOOST_AUTO_TEST_CASE(reserved_topics_begin_with_sealpost_slash) {
  BOOST_TEST(is_reserved_topic("sealpost/ping"));
  BOOST_TEST(is_reserved_topic("sealpost/"));
  BOOST_TEST(!is_reserved_topic("sealpost"));
  BOOST_TEST(!is_reserved_topic("sealpost.x/y"));
  BOOST_TEST(!is_reserved_topic("Sealpost/ping"));
}

BOOST_AUTO_TEST_CASE(statuses_match_specification) {
  struct Row {
    const char* name;
    int number;
    int http;
  };
  const Row rows[] = {
      {"accepted", 0, 200},   {"duplicate", 1, 409},    {"in_progress", 2, 409},
      {"conflict", 3, 409},   {"too_old", 4, 409},      {"late", 5, 409},
      {"forbidden", 6, 403},  {"revoked", 7, 403},      {"malformed", 8, 409},
      {"failed", 9, 409},     {"unavailable", 10, 503}, {"no_route", 11, 403},
      {"too_large", 12, 409}, {"withdrawn", 13, 409},   {"suspended", 14, 409},
  };
  for (const Row& row : rows) {
    const auto status = status_of(static_cast<std::uint8_t>(row.number));
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(name_of(*status) == row.name);
    BOOST_TEST(http_status_of(*status) == row.http, row.name);
  }
  BOOST_TEST(!status_of(15).has_value());
  BOOST_TEST(!status_of(255).has_value());
}

}  // namespace
}  // namespace sealpost
