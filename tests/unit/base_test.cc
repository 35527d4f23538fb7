#define BOOST_TEST_MODULE base
#include <utime.h>

#include <boost/test/unit_test.hpp>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/file_watch.h"
#include "base/result.h"
#include "base/time.h"
#include "support/hex.h"
#include "support/print.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

BOOST_AUTO_TEST_CASE(writer_and_reader_agree_on_every_field_type) {
  const Bytes long_part(300, 7);
  const Bytes bytes = Writer()
                          .u8(0x12)
                          .u32(0x01020304)
                          .u64(0x8000000000000001)
                          .lp8("name")
                          .lp16(long_part)
                          .put("rest")
                          .take();
  BOOST_TEST(hex(ByteView(bytes).first(13)) == "12010203048000000000000001");

  Reader reader(bytes);
  BOOST_TEST(reader.u8() == 0x12);
  BOOST_TEST(reader.u32() == 0x01020304U);
  BOOST_TEST(reader.u64() == 0x8000000000000001U);
  BOOST_TEST(text_of(reader.lp8()) == "name");
  BOOST_TEST(reader.lp16().size() == 300U);
  BOOST_TEST(!reader.expect_end());
  BOOST_TEST(text_of(reader.rest()) == "rest");
  BOOST_TEST(reader.expect_end());
}

BOOST_AUTO_TEST_CASE(reader_remembers_reading_past_the_end) {
  const Bytes bytes = {0, 0, 1};
  Reader number(bytes);
  BOOST_TEST(number.u64() == 0U);
  BOOST_TEST(!number.complete());
  BOOST_TEST(!number.expect_end());

  const Bytes announced = {5, 'a', 'b'};
  Reader prefixed(announced);
  BOOST_TEST(prefixed.lp8().empty());
  BOOST_TEST(prefixed.array<4>() == ByteArray<4>{}, boost::test_tools::per_element());
  BOOST_TEST(!prefixed.expect_end());
}

BOOST_AUTO_TEST_CASE(base64url_is_rfc_4648_without_padding) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, encoded] : rows) {
    BOOST_TEST(base64url(bytes_of(plain)) == encoded);
    BOOST_TEST(text_of(from_base64url(encoded).value()) == plain);
  }
  BOOST_TEST(base64url(Bytes{0xfb, 0xef, 0xff}) == "--__");
}

BOOST_AUTO_TEST_CASE(base64url_has_one_text_per_value) {
  const std::pair<const char*, const char*> rows[] = {
      {"Z", "length mod 4 = 1"},
      {"Zm9vZ", "the same, later"},
      {"Zg==", "padding"},
      {"Zh", "unused bits not zero"},
      {"Zm9", "unused bits not zero, three characters"},
      {"Zm9v\n", "a newline"},
      {"Zm 9v", "a blank"},
      {"Zm+v", "the other alphabet's +"},
      {"Zm/v", "the other alphabet's /"},
      {"Zm9\x80", "not ASCII"},
  };
  for (const auto& [text, why] : rows) {
    BOOST_TEST(!from_base64url(text).has_value(), why);
  }
  BOOST_TEST(!from_base64url(std::string_view("Zm9\0", 4)).has_value());
  BOOST_TEST(!from_base64url<3>("Zm9vYg").has_value());
  BOOST_TEST(from_base64url<4>("Zm9vYg").has_value());
}

BOOST_AUTO_TEST_CASE(changed_bit_of_base64url_gives_another_value_or_none) {
  const Bytes bytes = {1, 2, 3, 4, 5};
  const std::string text = base64url(bytes);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const auto decoded = from_base64url(changed);
      BOOST_TEST((!decoded || *decoded != bytes));
    }
  }
}

BOOST_AUTO_TEST_CASE(hexadecimal_survives_round_trip_and_rejects_other_text) {
  BOOST_TEST(hex(Bytes{0, 0x0a, 0xff}) == "000aff");
  BOOST_TEST(hex(test::from_hex("000AfF").value()) == "000aff");
  BOOST_TEST(!test::from_hex("0").has_value());
  BOOST_TEST(!test::from_hex("0g").has_value());
}

BOOST_AUTO_TEST_CASE(result_holds_value_or_rejection) {
  const Result<int, char> value = 3;
  const Result<int, char> rejection = 'n';
  BOOST_TEST(static_cast<bool>(value));
  BOOST_TEST(*value == 3);
  BOOST_TEST(!static_cast<bool>(rejection));
  BOOST_TEST(rejection.error() == 'n');
}

BOOST_AUTO_TEST_CASE(writes_times_as_iso_8601_in_utc) {
  BOOST_TEST(iso_time(Time{}) == "1970-01-01T00:00:00.000Z");
  BOOST_TEST(iso_time(time_from_ms(1790000000123)) == "2026-09-21T14:13:20.123Z");
  BOOST_TEST(iso_time(Time::max()) == "9999-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(every_value_of_the_wire_is_a_time) {
  for (const std::uint64_t ms : {std::uint64_t{0}, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    Bytes bytes = Writer().time(time_from_ms(ms)).take();
    BOOST_TEST(to_ms(Reader(bytes).time()) == ms);
    BOOST_TEST(Reader(bytes).u64() == ms);
  }
  BOOST_TEST(Time::max() == time_from_ms(~std::uint64_t{0}));
}

BOOST_AUTO_TEST_CASE(differences_of_times_do_not_wrap_around) {
  const Time early = time_from_ms(5);
  BOOST_TEST(distance(early, Time::max()) == Milliseconds{~std::uint64_t{0} - 5});
  BOOST_TEST(distance(Time::max(), early) == distance(early, Time::max()));
  BOOST_TEST(before(early, Milliseconds{2}) == time_from_ms(3));
  BOOST_TEST(before(early, kSecond) == Time{});
  BOOST_TEST(before(Time::max(), Milliseconds::max()) == Time{});
}

BOOST_AUTO_TEST_CASE(file_watch_sees_change_with_equal_times) {
  const test::TempDir folder;
  const std::string path = folder / "file";
  FileWatch watch(path);
  const auto write = [&](const std::string& text, std::time_t at) {
    test::write_text(path, text);
    const utimbuf times{at, at};
    utime(path.c_str(), &times);
  };
  BOOST_TEST(watch.has_changed());
  BOOST_TEST(!watch.exists());
  BOOST_TEST(!watch.has_changed(), "it is still not there");
  write("a", 2'000'000'000);
  BOOST_TEST(watch.has_changed());
  BOOST_TEST(watch.exists());
  BOOST_TEST(!watch.has_changed());
  write("b", 1'000'000'000);
  BOOST_TEST(watch.has_changed(), "older than what was there");
  BOOST_TEST(!watch.has_changed());
  write("bc", 1'000'000'000);
  BOOST_TEST(watch.has_changed(), "of the same time, but another size");
  test::write_text(path, "cd");
  BOOST_TEST(watch.has_changed());
  BOOST_TEST(watch.has_changed(), "it may change again within the grain of its times");
}

BOOST_AUTO_TEST_CASE(durations_require_a_unit) {
  BOOST_TEST(parse_duration("90d").value() == 90 * kDay);
  BOOST_TEST(parse_duration("24h").value() == kDay);
  BOOST_TEST(parse_duration("5m").value() == 300 * kSecond);
  BOOST_TEST(parse_duration("300s").value() == 300 * kSecond);
  BOOST_TEST(parse_duration("0").value() == Milliseconds{0});
  for (const char* text :
       {"", "d", "5", "-5s", "5 s", "5sec", "5.5h", "36601d", "99999999999999999999s"}) {
    BOOST_TEST(!parse_duration(text).has_value(), text);
  }
}

}  // namespace
}  // namespace sealpost
