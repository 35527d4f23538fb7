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
  BOOST_TEST(outcome.status == OutcomeStatus::kNoRoute);
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
      clients.renew("client1", 1, client.credential.claims, client.fixture.now, Milliseconds(0));
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

BOOST_AUTO_TEST_CASE(keeps_unsent_messages_in_order_when_client_is_revoked) {
  SenderFixture client;
  client.send("first");
  Database database = client.fixture.database();
  Clients(database).revoke("client1", client.fixture.now);
  BOOST_TEST((client.send("posted to no session").kind == Kind::kOpen));
  const Outcome outcome = client.send("never left");
  BOOST_TEST((outcome.kind == Kind::kOpen), "it is kept, and leaves under another credential");
  BOOST_TEST(outcome.status == OutcomeStatus::kRevoked);
  BOOST_TEST(outcome.reason.find("The message is kept.") != std::string::npos, outcome.reason);
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
  Clients(database).renew("client1", 1, client.credential.claims, client.fixture.now,
                          Milliseconds(0));
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

struct RejectedFixture : SenderFixture {
  [[nodiscard]] std::vector<RejectedMessage> rejected() const {
    return Outbox(folder).rejected().list();
  }
  Outcome send_rejected(const std::string& which) {
    const Outbox outbox(folder);
    const Outbox::Entry entry = outbox.put_back(outbox.rejected().find(which).name);
    return Sender(outbox, environment()).deliver(entry);
  }
};

BOOST_AUTO_TEST_CASE(keeps_rejected_message_until_it_is_sent_as_new_one) {
  RejectedFixture client;
  client.send("first");
  client.fixture.routes("other - inbox\n");
  const Outcome outcome = client.send("kept");
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_REQUIRE(client.rejected().size() == 1U);
  const RejectedMessage kept = client.rejected()[0];
  BOOST_TEST(outcome.reason.find(kept.name) != std::string::npos, outcome.reason);
  BOOST_TEST(kept.name.starts_with("1-"));
  BOOST_TEST(kept.name.ends_with("-1"));
  BOOST_TEST(kept.topic == "t");
  BOOST_TEST(kept.size == 4U);
  BOOST_TEST(!kept.unknown);
  BOOST_TEST((client.flush().kind == Kind::kAccepted), "nothing is sent by itself");
  client.fixture.routes("* - inbox\n");
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "first ");
  BOOST_TEST((client.send_rejected("1").kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "first kept ");
  BOOST_TEST(client.rejected().empty());
  BOOST_TEST(client.state().next == 3U, "it got a new counter");
}

BOOST_AUTO_TEST_CASE(drops_rejected_message) {
  RejectedFixture client;
  client.send("x", "sealpost/other");
  const Rejected rejected = Outbox(client.folder).rejected();
  BOOST_CHECK_THROW((void)rejected.find("7"), Fault);
  rejected.drop(rejected.find("0").name);
  BOOST_TEST(client.rejected().empty());
  BOOST_TEST(std::filesystem::is_empty(client.folder + "/rejected"));
}

BOOST_AUTO_TEST_CASE(marks_messages_of_unknown_outcome) {
  RejectedFixture client;
  client.send("first");
  const Outbox outbox(client.folder);
  ClientState state = client.state();
  state.next = 0;
  outbox.save(state);  // a copy of an older state
  BOOST_TEST((client.send("conflict").kind == Kind::kUnknown));
  BOOST_REQUIRE(client.rejected().size() == 1U);
  BOOST_TEST(client.rejected()[0].unknown);
  BOOST_TEST(client.rejected()[0].status == "conflict");
}

BOOST_AUTO_TEST_CASE(kill_while_message_is_kept_aside_loses_and_doubles_nothing) {
  RejectedFixture client;
  client.send("x", "sealpost/other");
  const RejectedMessage kept = client.rejected().front();
  Outbox outbox(client.folder);
  BOOST_REQUIRE(outbox.lock(Milliseconds{0}));

  // Killed after the reason was written: the message is still open.
  std::filesystem::rename(client.folder + "/rejected/" + kept.name,
                          client.folder + "/open/m00000000000000000000");
  BOOST_TEST(outbox.recover().empty());
  BOOST_TEST(client.open() == 1U);
  BOOST_TEST(client.rejected().empty());
  BOOST_TEST((client.flush().kind == Kind::kRejected), "the server answers as before");
  BOOST_REQUIRE(client.rejected().size() == 1U);
  BOOST_TEST(client.rejected()[0].name == kept.name);

  // Killed before the reason of a message that is sent again was deleted.
  std::filesystem::rename(client.folder + "/rejected/" + kept.name, client.folder + "/open/q1");
  BOOST_TEST(outbox.recover().empty());
  BOOST_TEST(std::filesystem::is_empty(client.folder + "/rejected"));
  BOOST_TEST(client.open() == 1U);

  // A reason that is lost does not make a message safe to send again.
  BOOST_TEST((client.flush().kind == Kind::kRejected));
  std::filesystem::remove(client.folder + "/rejected/" + client.rejected()[0].name + ".why");
  BOOST_TEST(client.rejected()[0].unknown);
}

}  // namespace
}  // namespace sealpost
