// What becomes of a message whose counter is new, decided without a database or a handler.
#define BOOST_TEST_MODULE decision
#include "gateway/decision.h"

#include <boost/test/unit_test.hpp>

#include "support/opened_record.h"

namespace sealpost {
namespace {

const Time kNow = time_from_ms(1'795'433'460'000);
constexpr Milliseconds kTolerance = 300 * kSecond;

const char* const kRoutes =
    "inbox/* role=sensor inbox\n"
    "run/*   role=sensor exec /bin/true\n"
    "web     role=sensor http http://127.0.0.1:8080/in\n"
    "no/*    -           reject\n";

OpenedRecord record(const std::string& topic, Time sent_at = kNow, Claims::Map claims = {}) {
  claims["role"] = "sensor";
  const Session session{SessionId{{1}}, 1, {"client1", 1, InstallNonce{{2}}}};
  return test::opened_record(session, {0, MessageId{{3}}, topic, {}}, *Claims::of(claims), {},
                             sent_at);
}

Routing decided(const OpenedRecord& record, Milliseconds tolerance = kTolerance) {
  static const Routes routes = Routes::parse(kRoutes);
  return decide(record, routes, tolerance, kNow);
}

BOOST_AUTO_TEST_CASE(routes_topic_to_inbox_handler_or_nowhere) {
  BOOST_TEST((decided(record("inbox/a")).decision == Decision::kInbox));
  BOOST_TEST((decided(record("sealpost/ping")).decision == Decision::kNowhere));
  const Routing run = decided(record("run/a"));
  BOOST_TEST((run.decision == Decision::kHandler));
  BOOST_REQUIRE(run.handler != nullptr);
  BOOST_TEST(run.handler->program == "/bin/true");
  const Routing web = decided(record("web"));
  BOOST_TEST((web.decision == Decision::kHandler));
  BOOST_TEST(web.handler->port == 8080);
  BOOST_TEST(decided(record("inbox/a")).handler == nullptr, "only a handler needs a place");
}

BOOST_AUTO_TEST_CASE(names_line_that_rejects_topic) {
  for (const char* topic : {"no/a", "unknown", "sealpost/other", "sealpost/"}) {
    BOOST_TEST((decided(record(topic)).decision == Decision::kNoRoute), topic);
  }
  BOOST_TEST(decided(record("no/a")).line == 4);
  BOOST_TEST(decided(record("unknown")).line == 0, "no line takes it");
}

BOOST_AUTO_TEST_CASE(withdraws_whatever_claims_and_routes_say_unless_late) {
  const auto withdrawal = [](Time sent_at) {
    const Session session{SessionId{{1}}, 1, {"client1", 1, InstallNonce{{2}}}};
    const Message message{0, MessageId{{3}}, std::string(kWithdrawTopic), Bytes(32)};
    const Claims ended = *Claims::of({{"role", "sensor"}, {"not_after", "1"}});
    return test::opened_record(session, message, ended, {}, sent_at);
  };
  BOOST_TEST((decided(withdrawal(kNow)).decision == Decision::kWithdraw));
  BOOST_TEST((decided(withdrawal(Time{})).decision == Decision::kLate));
}

BOOST_AUTO_TEST_CASE(forbids_claims_outside_their_time) {
  const auto seconds = [](Time time) { return std::to_string(to_ms(time) / 1000); };
  const auto with = [&](const char* claim, Time time) {
    return decided(record("inbox/a", kNow, {{claim, seconds(time)}})).decision;
  };
  BOOST_TEST((with("not_after", kNow) == Decision::kForbidden), "the end is not included");
  BOOST_TEST((with("not_after", kNow + kSecond) == Decision::kInbox));
  BOOST_TEST((with("not_before", kNow + kSecond) == Decision::kForbidden));
  BOOST_TEST((with("not_before", kNow) == Decision::kInbox));
}

BOOST_AUTO_TEST_CASE(late_beyond_the_tolerance_in_both_directions) {
  const auto at = [](Time time, Milliseconds tolerance = kTolerance) {
    return decided(record("inbox/a", time), tolerance).decision;
  };
  BOOST_TEST((at(kNow - kTolerance) == Decision::kInbox));
  BOOST_TEST((at(kNow + kTolerance) == Decision::kInbox));
  BOOST_TEST((at(kNow - kTolerance - Milliseconds(1)) == Decision::kLate));
  BOOST_TEST((at(kNow + kTolerance + Milliseconds(1)) == Decision::kLate));
  BOOST_TEST((at(Time::max()) == Decision::kLate), "no overflow");
  BOOST_TEST((at(Time{}, Milliseconds::zero()) == Decision::kInbox), "zero means any time");
}

BOOST_AUTO_TEST_CASE(late_comes_before_no_route) {
  // A late message leaves its counter unused, so the client can seal it again.
  BOOST_TEST((decided(record("no/a", Time{})).decision == Decision::kLate));
}

}  // namespace
}  // namespace sealpost
