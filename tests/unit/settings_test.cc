// Settings and the CGI variables they come with.
#define BOOST_TEST_MODULE settings
#include "gateway/settings.h"

#include <boost/test/unit_test.hpp>
#include <map>

#include "base/result.h"
#include "server/cgi_variables.h"
#include "support/print.h"

namespace sealpost {
namespace {

using Map = std::map<std::string, std::string>;

// The CGI variables of a request.
class Environment {
 public:
  Environment(const Map& map) {
    for (const auto& [name, value] : map) lines_.push_back(name + "=" + value);
    for (const std::string& line : lines_) pointers_.push_back(line.c_str());
    pointers_.push_back(nullptr);
  }
  operator Variables() const { return pointers_.data(); }

 private:
  std::vector<std::string> lines_;
  std::vector<const char*> pointers_;
};

std::string home(const SettingTexts& arguments, const Map& request, const Map& process) {
  return std::string(find_settings(arguments, Environment(request), Environment(process))[kHome]);
}

BOOST_AUTO_TEST_CASE(reads_sources_in_order_of_precedence) {
  const SettingTexts argument{"/argument"};
  const Map request = {{"SEALPOST_HOME", "/request"},
                       {"REDIRECT_SEALPOST_HOME", "/redirect"},
                       {"SSL_SEALPOST_HOME", "/ssl"}};
  const Map process = {{"SEALPOST_HOME", "/process"}};
  BOOST_TEST(home(argument, request, process) == "/argument");
  BOOST_TEST(home({}, request, process) == "/request");
  Map fewer = request;
  fewer.erase("SEALPOST_HOME");
  BOOST_TEST(home({}, fewer, process) == "/redirect");
  fewer.erase("REDIRECT_SEALPOST_HOME");
  BOOST_TEST(home({}, fewer, process) == "/ssl");
  BOOST_TEST(home({}, {}, process) == "/process");
  BOOST_TEST(home({}, {}, {}).empty());
  BOOST_TEST(home({}, {{"SEALPOST_HOME", ""}, {"REDIRECT_SEALPOST_HOME", "/redirect"}}, {}) ==
             "/redirect");
}

BOOST_AUTO_TEST_CASE(never_reads_name_that_a_client_can_send) {
  const Map spoofed = {{"HTTP_SEALPOST_HOME", "/evil"},
                       {"HTTP_REDIRECT_SEALPOST_HOME", "/evil"},
                       {"HTTP_SSL_SEALPOST_HOME", "/evil"},
                       {"REDIRECT_HTTP_SEALPOST_HOME", "/evil"}};
  BOOST_TEST(home({}, spoofed, spoofed).empty());
}

BOOST_AUTO_TEST_CASE(reads_defaults_and_units) {
  const Settings plain = Settings::parse({"/home/u/sealpost"});
  BOOST_TEST(plain.home == "/home/u/sealpost");
  BOOST_TEST(plain.log.empty());
  BOOST_TEST(plain.max_body == 1U << 20);
  BOOST_TEST(plain.tolerance == 300 * kSecond);
  BOOST_TEST(plain.session_life == 24 * kHour);
  const Settings given = Settings::parse({"/h", "/h/log", "65536", "10m", "90s"});
  BOOST_TEST(given.log == "/h/log");
  BOOST_TEST(given.max_body == 65536U);
  BOOST_TEST(given.tolerance == 10 * kMinute);
  BOOST_TEST(given.session_life == 90 * kSecond);
  BOOST_TEST(Settings::parse({"/h", "", "", "0"}).tolerance == Milliseconds{0});
  BOOST_TEST(plain.handlers == 8U);
  BOOST_TEST(plain.handler_timeout == 10 * kSecond);
  BOOST_TEST(plain.handler_patience == kHour);
  BOOST_TEST(plain.lease() == kMinute);
  BOOST_TEST(plain.quota_messages == 0);
  BOOST_TEST(plain.quota_bytes == 0);
  const Settings more = Settings::parse({"/h", "", "", "", "", "2", "1m", "2h", "1000", "1000000"});
  BOOST_TEST(more.handlers == 2U);
  BOOST_TEST(more.handler_timeout == kMinute);
  BOOST_TEST(more.handler_patience == 2 * kHour);
  BOOST_TEST(more.quota_messages == 1000);
  BOOST_TEST(more.quota_bytes == 1'000'000);
}

BOOST_AUTO_TEST_CASE(invalid_value_is_a_fault_that_names_the_setting) {
  const std::pair<SettingTexts, const char*> rows[] = {
      {{""}, "SEALPOST_HOME"},
      {{"relative/path"}, "SEALPOST_HOME"},
      {{"/h", "", "1M"}, "SEALPOST_MAX_BODY"},
      {{"/h", "", "4095"}, "SEALPOST_MAX_BODY"},
      {{"/h", "", "1073741825"}, "SEALPOST_MAX_BODY"},
      {{"/h", "", "-1"}, "SEALPOST_MAX_BODY"},
      {{"/h", "", "", "300"}, "SEALPOST_TOLERANCE"},
      {{"/h", "", "", "", "0"}, "SEALPOST_SESSION_LIFE"},
      {{"/h", "", "", "", "forever"}, "SEALPOST_SESSION_LIFE"},
      {{"/h", "", "", "", "", "0"}, "SEALPOST_HANDLERS"},
      {{"/h", "", "", "", "", "257"}, "SEALPOST_HANDLERS"},
      {{"/h", "", "", "", "", "", "10"}, "SEALPOST_HANDLER_TIMEOUT"},
      {{"/h", "", "", "", "", "", "", "10"}, "SEALPOST_HANDLER_PATIENCE"},
      {{"/h", "", "", "", "", "", "", "", "many"}, "SEALPOST_QUOTA_MESSAGES"},
      {{"/h", "", "", "", "", "", "", "", "", "-1"}, "SEALPOST_QUOTA_BYTES"},
  };
  for (const auto& [texts, name] : rows) {
    BOOST_CHECK_EXCEPTION((void)Settings::parse(texts), Fault, [name = name](const Fault& fault) {
      return std::string(fault.what()).find(name) != std::string::npos;
    });
  }
}

BOOST_AUTO_TEST_CASE(reads_request_head_from_cgi_variables) {
  const Request request =
      request_from(Environment({{"REQUEST_METHOD", "POST"},
                                {"CONTENT_TYPE", "application/x-www-form-urlencoded"},
                                {"CONTENT_LENGTH", "17"}}));
  BOOST_TEST(request.method == "POST");
  BOOST_TEST(request.content_type.value() == "application/x-www-form-urlencoded");
  BOOST_TEST(!request.has_content_encoding);
  BOOST_TEST(request.announced.value() == 17U);
  BOOST_TEST(!request.body_cut);

  const Request bare = request_from(Environment({}));
  BOOST_TEST(bare.method.empty());
  BOOST_TEST(!bare.content_type.has_value());
  BOOST_TEST(!bare.announced.has_value());
  BOOST_TEST(request_from(Environment(Map{{"HTTP_CONTENT_ENCODING", ""}})).has_content_encoding,
             "of any kind, even an empty one");
  for (const char* length : {"-1", "1e3", "17 ", "0x11", "99999999999999999999999"}) {
    BOOST_TEST(request_from(Environment(Map{{"CONTENT_LENGTH", length}})).body_cut, length);
  }
}

}  // namespace
}  // namespace sealpost
