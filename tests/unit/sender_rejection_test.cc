// The client library's sender: rejected and too large messages, and a revoked client.
#define BOOST_TEST_MODULE sender_rejection
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

BOOST_AUTO_TEST_CASE(reports_and_removes_rejected_messages) {
  SenderFixture client;
  const Outcome outcome = client.send("x", "sealpost/other");
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kForbidden);
  BOOST_TEST(!outcome.reason.empty());
  BOOST_TEST(client.open() == 0U);
}

BOOST_AUTO_TEST_CASE(keeps_possibly_accepted_message_open_when_revoked) {
  for (const bool by_record : {false, true}) {
    SenderFixture client;
    client.send("first");
    client.lose_one_answer();
    BOOST_TEST((client.send("acted").kind == Kind::kOpen));
    client.network = nullptr;
    BOOST_TEST(client.bodies() == "first acted ");
    Database database = client.fixture.database();
    Clients clients(database);
    if (by_record) {
      clients.renew("client1", 1, client.credential.claims, client.fixture.now);
    } else {
      clients.revoke("client1", client.fixture.now);
    }
    for (int i = 0; i < 2; ++i) {
      const Outcome outcome = client.flush();
      BOOST_TEST((outcome.kind == Kind::kOpen), by_record);
      BOOST_TEST(outcome.status == OutcomeStatus::kRevoked);
      BOOST_TEST(outcome.reason.find("unknown whether the server acted") != std::string::npos);
      BOOST_TEST(client.open() == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(rejects_unsent_messages_in_order_when_client_is_revoked) {
  SenderFixture client;
  client.send("first");
  Database database = client.fixture.database();
  Clients(database).revoke("client1", client.fixture.now);
  BOOST_TEST((client.send("posted to no session").kind == Kind::kOpen));
  const Outcome outcome = client.send("never left");
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kRevoked);
  const auto entries = Outbox(client.folder).entries();
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(!entries[1].counter.has_value());
}

BOOST_AUTO_TEST_CASE(removes_ping_after_any_outcome) {
  SenderFixture client;
  BOOST_TEST(client.ping().status == OutcomeStatus::kAccepted);
  client.lose_one_answer();
  BOOST_TEST(client.ping().status == OutcomeStatus::kNetwork);
  BOOST_TEST(client.open() == 0U);
  client.network = nullptr;
  Database database = client.fixture.database();
  Clients(database).revoke("client1", client.fixture.now);
  for (int i = 0; i < 2; ++i) {  // one in the old session, and one that gets no number
    BOOST_TEST(client.ping().status == OutcomeStatus::kRevoked);
    BOOST_TEST(client.open() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(numbers_no_message_after_revocation) {
  SenderFixture client;
  client.send("first");
  Database database = client.fixture.database();
  Clients(database).renew("client1", 1, client.credential.claims, client.fixture.now);
  BOOST_TEST(client.send("second").status == OutcomeStatus::kRevoked);
  BOOST_TEST(client.send("third").status == OutcomeStatus::kRevoked);
  const auto entries = Outbox(client.folder).entries();
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(entries[0].counter.has_value());
  BOOST_TEST(!entries[1].counter.has_value());
}

BOOST_AUTO_TEST_CASE(rejects_message_larger_than_gateway_limit) {
  SenderFixture client;
  client.fixture.set(kMaxBody, "4096");
  const Outcome outcome = client.send(std::string(4000, 'x'));
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge);
  BOOST_TEST(client.open() == 0U);
  BOOST_TEST(client.send("small").status == OutcomeStatus::kAccepted);
}

BOOST_AUTO_TEST_CASE(asks_for_new_limit_before_rejecting_large_message) {
  SenderFixture client;
  client.fixture.set(kMaxBody, "4096");
  client.send("small");
  client.fixture.set(kMaxBody, "1048576");
  BOOST_TEST(client.send(std::string(4000, 'x')).status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.forms.size() == 2U + 2U, "a handshake and the message");
}

BOOST_AUTO_TEST_CASE(keeps_possibly_accepted_message_above_new_limit) {
  SenderFixture client;
  client.send("first");
  client.lose_one_answer();
  const std::string large(4000, 'x');
  BOOST_TEST(client.send(large).status == OutcomeStatus::kNetwork);
  client.fixture.set(kMaxBody, "4096");
  BOOST_TEST((client.flush().kind == Kind::kOpen), "nothing is decided where nobody answers");
  client.fixture.now += 24 * kHour;  // the session is over
  BOOST_TEST((client.flush().kind == Kind::kOpen));
  client.network = nullptr;
  const Outcome outcome = client.flush();
  BOOST_TEST((outcome.kind == Kind::kUnknown));
  BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge);
  BOOST_TEST(outcome.reason.find("unknown whether the server acted") != std::string::npos);
  BOOST_TEST(client.open() == 0U);
  BOOST_TEST(client.bodies() == "first " + large + " ");
}

BOOST_AUTO_TEST_CASE(rejects_grant_with_impossibly_small_limit) {
  SenderFixture client;
  std::uint32_t takes = 4095;
  client.network = [&](const std::string& form, const Post& real) {
    return form.starts_with("name=") ? client.grant(form, takes, client.fixture.now) : real(form);
  };
  const Outcome outcome = client.send("x");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.reason.find("accepts only 4095 bytes") != std::string::npos, outcome.reason);
  BOOST_TEST(!client.state().session.has_value());
  takes = 4096;
  const Outbox outbox(client.folder);
  BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
}

BOOST_AUTO_TEST_CASE(asks_limit_once_when_web_server_rejects_large_message) {
  for (const int status : {413, 500}) {
    SenderFixture client;
    client.send("first");
    client.fixture.set(kMaxBody, "131072");  // the session says more
    client.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      return form.size() > 131'072 ? HttpAnswer{status, "", ""} : real(form);
    };
    const Outcome outcome = client.send(std::string(200'000, 'x'));
    BOOST_TEST((outcome.kind == Kind::kUnknown), "who says that it was the web server?");
    BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge, status);
    BOOST_TEST(client.slept == Milliseconds{0}, status);
    BOOST_TEST(client.forms.size() == 2U + 2U, "the message and a handshake");
    BOOST_TEST(client.reports.empty(), status);
    BOOST_TEST(client.open() == 0U, status);
  }
}

BOOST_AUTO_TEST_CASE(asks_limit_only_once_if_gateway_reports_none) {
  SenderFixture client;
  client.send("first");
  client.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
    return form.size() > 131'072 ? HttpAnswer{500, "", ""} : real(form);
  };
  const Outcome outcome = client.send(std::string(200'000, 'x'));
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.reason.find("SEALPOST_MAX_BODY") != std::string::npos, outcome.reason);
  BOOST_TEST(client.forms.size() == 2U + 9U, "eight tries and one handshake");
}

}  // namespace
}  // namespace sealpost
