#define BOOST_TEST_MODULE claims
#include "protocol/claims.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/print.h"

namespace sealpost {
namespace {

Bytes block(const std::vector<std::pair<std::string, std::string>>& claims) {
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(claims.size()));
  for (const auto& [key, value] : claims) writer.lp8(key).lp8(value);
  return writer.take();
}

BOOST_AUTO_TEST_CASE(claims_have_one_encoding) {
  const auto claims = Claims::of({{"role", "sensor"}, {"a", ""}, {"site", "Zürich"}});
  BOOST_REQUIRE(static_cast<bool>(claims));
  const Bytes encoded = claims->encode();
  BOOST_TEST(hex(encoded) ==
             "030161"
             "00"
             "04726f6c65"
             "0673656e736f72"
             "0473697465"
             "075ac3bc72696368");
  const auto decoded = Claims::decode(encoded);
  BOOST_REQUIRE(static_cast<bool>(decoded));
  BOOST_TEST((decoded->values() == claims->values()));
  BOOST_TEST(decoded->role() == "sensor");
}

BOOST_AUTO_TEST_CASE(rejects_every_other_encoding) {
  const std::pair<Bytes, const char*> rows[] = {
      {{}, "nothing at all"},
      {block({}), "no claims, so no role"},
      {block({{"a", "b"}}), "no role"},
      {block({{"role", ""}}), "an empty role"},
      {block({{"role", "x"}, {"a", "b"}}), "not ascending"},
      {block({{"role", "x"}, {"role", "x"}}), "the same key twice"},
      {block({{"role", "x"}, {"role", "y"}}), "the same key twice, other value"},
      {block({{"", "b"}, {"role", "x"}}), "an empty key"},
      {block({{"A", "b"}, {"role", "x"}}), "a capital in a key"},
      {block({{"a-b", "b"}, {"role", "x"}}), "a hyphen in a key"},
      {block({{std::string(33, 'a'), "b"}, {"role", "x"}}), "a key of 33 bytes"},
      {block({{"role", "a\nb"}}), "a control character"},
      {block({{"role", std::string("a\0b", 3)}}), "a zero byte"},
      {block({{"role", "a\x7f"}}), "U+007F"},
      {block({{"role", "\xc0\x80"}}), "an overlong zero"},
      {block({{"role", "\xe0\x80\xaf"}}), "an overlong slash"},
      {block({{"role", "\xed\xa0\x80"}}), "a surrogate"},
      {block({{"role", "\xf4\x90\x80\x80"}}), "above U+10FFFF"},
      {block({{"role", "\xf5\x80\x80\x80"}}), "a lead byte that leads nothing"},
      {block({{"role", "a\x80"}}), "a continuation without a lead"},
      {block({{"role", "a\xc3"}}), "a sequence cut short"},
      {block({{"not_after", "-1"}, {"role", "x"}}), "a negative time"},
      {block({{"not_after", "012"}, {"role", "x"}}), "a leading zero"},
      {block({{"not_after", ""}, {"role", "x"}}), "an empty time"},
      {block({{"not_before", "1e3"}, {"role", "x"}}), "not decimal"},
      {block({{"not_before", "123456789012"}, {"role", "x"}}), "12 digits"},
  };
  for (const auto& [bytes, why] : rows) BOOST_TEST(!Claims::decode(bytes), why);

  Bytes longer = block({{"role", "x"}});
  longer.push_back(0);
  BOOST_TEST(!Claims::decode(longer), "a byte too many");
  BOOST_TEST(!Claims::decode(ByteView(longer).first(longer.size() - 2)), "a byte too few");
  Bytes counted = block({{"role", "x"}});
  counted[0] = 2;
  BOOST_TEST(!Claims::decode(counted), "announces more than there is");
  counted[0] = 0;
  BOOST_TEST(!Claims::decode(counted), "announces less than there is");
}

BOOST_AUTO_TEST_CASE(limits_number_and_size_of_claims) {
  Claims::Map values{{"role", "x"}};
  for (char c = 'a'; values.size() < 16; ++c) values[std::string(1, c)] = "";
  BOOST_TEST(static_cast<bool>(Claims::of(values)));
  values["zz"] = "";
  BOOST_TEST(!Claims::of(values), "17 claims");

  BOOST_TEST(static_cast<bool>(Claims::of({{"role", std::string(255, 'r')}})));
  BOOST_TEST(!Claims::of({{"role", std::string(256, 'r')}}), "a value of 256 bytes");

  // 1 for the count, then 2 + key + value for each: 1,024 in all, and one more.
  Claims::Map large{{"role", std::string(250, 'r')},
                    {"b", std::string(255, 'b')},
                    {"c", std::string(255, 'c')},
                    {"d", std::string(248, 'd')}};
  BOOST_REQUIRE(static_cast<bool>(Claims::of(large)));
  BOOST_TEST(Claims::of(large)->encode().size() == 1024U);
  large["d"] += "d";
  BOOST_TEST(!Claims::of(large));
}

BOOST_AUTO_TEST_CASE(not_after_is_exclusive_and_times_are_seconds) {
  const auto claims = Claims::of({{"role", "x"}, {"not_before", "100"}, {"not_after", "200"}});
  BOOST_TEST(!claims->valid_at(time_from_ms(99'999)));
  BOOST_TEST(claims->valid_at(time_from_ms(100'000)));
  BOOST_TEST(claims->valid_at(time_from_ms(199'999)));
  BOOST_TEST(!claims->valid_at(time_from_ms(200'000)));
  BOOST_TEST(claims->end().value() == time_from_ms(200'000));

  const auto always = Claims::of({{"role", "x"}});
  BOOST_TEST(always->valid_at(time_from_ms(0)));
  BOOST_TEST(always->valid_at(Time::max()));
  BOOST_TEST(!always->end().has_value());
  BOOST_TEST(Claims::of({{"role", "x"}, {"not_after", "99999999999"}})
                 ->valid_at(time_from_ms(99'999'999'998'999)));
}

}  // namespace
}  // namespace sealpost
