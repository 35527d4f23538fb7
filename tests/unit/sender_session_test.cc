// The client library's sender: when it starts a new session.
#define BOOST_TEST_MODULE sender_session
#include <boost/test/unit_test.hpp>

#include "client/outcome.h"
#include "client/sender.h"
#include "support/print.h"
#include "support/sender_fixture.h"

namespace sealpost {
namespace {

using test::SenderFixture;
using Kind = Outcome::Kind;
using OutcomeStatus = Outcome::Status;

BOOST_AUTO_TEST_CASE(replaces_deleted_session_and_seals_same_message_again) {
  SenderFixture client;
  client.send("first");
  client.fixture.sql("DELETE FROM session");
  const Outcome outcome = client.send("second");
  BOOST_TEST(outcome.status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.slept == Milliseconds{0}, "the first time without a pause");
  BOOST_TEST(client.bodies() == "first second ");
  BOOST_TEST(client.forms.size() == 2U + 3U);
}

BOOST_AUTO_TEST_CASE(forged_403_causes_at_most_one_handshake_per_try) {
  SenderFixture client;
  client.network = [](const std::string&, const Post&) -> HttpAnswer {
    return {403, "refused\n", ""};
  };
  BOOST_TEST((client.send("x").kind == Kind::kOpen));
  BOOST_TEST(client.forms.size() <= 8U);
}

BOOST_AUTO_TEST_CASE(replaces_ended_session_even_if_web_server_changes_403) {
  for (const int status : {200, 302, 404, 409, 500}) {
    SenderFixture client;
    client.send("first");
    client.fixture.sql("DELETE FROM session");
    client.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      const HttpAnswer answer = real(form);
      return answer.status == 403 ? HttpAnswer{status, "<h1>Sorry</h1>", ""} : answer;
    };
    BOOST_TEST(client.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST(client.bodies() == "first second ", status);
    BOOST_TEST(client.forms.size() == 2U + 4U, "two that fail, a handshake and the message");
    BOOST_TEST(client.reports.empty(), status);
  }
}

BOOST_AUTO_TEST_CASE(keeps_doubted_session_until_replaced) {
  for (const int status : {403, 413, 502}) {
    SenderFixture client;
    client.send("first");
    const SessionId before = client.state().session->id;
    int lies = status == 502 ? 2 : 1;
    client.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      if (form.starts_with("name=")) return {502, "", ""};
      return lies-- > 0 ? HttpAnswer{status, "", ""} : real(form);
    };
    BOOST_TEST(client.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST((client.state().session->id == before), status);
    BOOST_TEST(client.bodies() == "first second ", status);
  }
}

BOOST_AUTO_TEST_CASE(tries_one_handshake_per_message_if_no_answer_is_sealed) {
  SenderFixture client;
  client.send("first");
  client.network = [](const std::string&, const Post&) -> HttpAnswer { return {502, "", ""}; };
  BOOST_TEST((client.send("x").kind == Kind::kOpen));
  BOOST_TEST(client.forms.size() == 2U + 9U, "eight tries and a handshake");
}

BOOST_AUTO_TEST_CASE(connect_always_starts_new_session) {
  SenderFixture client;
  client.send("first");
  const SessionId before = client.state().session->id;
  const Outbox outbox(client.folder);
  BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST((client.state().session->id != before));
}

BOOST_AUTO_TEST_CASE(replaces_expired_session_before_use) {
  SenderFixture client;
  client.send("1");
  client.fixture.now += 24 * kHour;
  BOOST_TEST(client.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.forms.size() == 4U);
}

}  // namespace
}  // namespace sealpost
