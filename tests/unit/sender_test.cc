// The client library's sender: delivery, resending, order and clock.
#define BOOST_TEST_MODULE sender
#include "client/sender.h"

#include <boost/test/unit_test.hpp>

#include "client/outcome.h"
#include "support/print.h"
#include "support/sender_fixture.h"

namespace sealpost {
namespace {

using test::lost;
using test::Peer;
using test::SenderFixture;
using Kind = Outcome::Kind;
using OutcomeStatus = Outcome::Status;

BOOST_AUTO_TEST_CASE(delivers_messages_in_one_session_and_empties_outbox) {
  for (const bool clear_fields : {false, true}) {
    SenderFixture client;
    client.clear_fields = clear_fields;
    BOOST_TEST((client.send("one").kind == Kind::kAccepted));
    BOOST_TEST((client.send("two").kind == Kind::kAccepted));
    BOOST_TEST(client.bodies() == "one two ");
    BOOST_TEST(client.open() == 0U);
    BOOST_TEST(client.forms.size() == 3U, "one handshake, two records");
    BOOST_TEST(client.forms[0].starts_with("name=client1&") == true);
    BOOST_TEST((client.forms[1].find("key_use_hmac=") != std::string::npos) == clear_fields);
  }
}

BOOST_AUTO_TEST_CASE(writes_message_and_counter_to_disk_before_sending) {
  SenderFixture client;
  bool seen = false;
  client.network = [&](const std::string& form, const Post& real) {
    const auto entries = Outbox(client.folder).entries();
    if (!form.starts_with("name=")) {
      seen = entries.size() == 1 && entries[0].counter == 0U;
    } else {
      BOOST_TEST((entries.size() == 1U && !entries[0].counter),
                 "no counter before there is a session");
    }
    return real(form);
  };
  client.send("x");
  BOOST_TEST(seen);
}

BOOST_AUTO_TEST_CASE(client_resends_after_lost_request_or_answer) {
  for (const bool request_arrives : {false, true}) {
    SenderFixture client;
    client.send("first");
    int lose = 3;
    client.network = [&](const std::string& form, const Post& real) {
      if (lose-- <= 0) return real(form);
      if (request_arrives) (void)real(form);
      return lost();
    };
    const Outcome outcome = client.send("second");
    BOOST_TEST((outcome.kind == Kind::kAccepted));
    BOOST_TEST(outcome.status ==
               (request_arrives ? OutcomeStatus::kDuplicate : OutcomeStatus::kAccepted));
    BOOST_TEST(client.bodies() == "first second ");
    BOOST_TEST(client.forms.size() == 2U + 4U, "no new handshake: the session still exists");
    BOOST_TEST(client.slept > Milliseconds{500});
  }
}

BOOST_AUTO_TEST_CASE(gives_up_without_answer_and_keeps_message_open) {
  SenderFixture client;
  client.network = [](const std::string&, const Post&) { return lost(); };
  const Outcome outcome = client.send("later");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.status == OutcomeStatus::kNetwork);
  BOOST_TEST(client.open() == 1U);
  BOOST_TEST(client.slept > Milliseconds{5'000});
  BOOST_TEST(client.slept < Milliseconds{20'000});
  client.network = nullptr;
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "later ");
}

BOOST_AUTO_TEST_CASE(sends_nothing_new_when_time_is_up) {
  SenderFixture s;
  s.timeout = 3 * kSecond;
  s.network = [](const std::string&, const Post&) { return lost(); };
  BOOST_TEST(s.send("a").status == Outcome::Status::kNetwork);
  BOOST_TEST((s.slept <= *s.timeout));
  const std::size_t sent = s.forms.size();
  s.started = s.fixture.now;
  s.timeout = Milliseconds{0};
  const Outcome outcome = s.send("b");
  BOOST_TEST(s.forms.size() == sent);
  BOOST_TEST((outcome.kind == Outcome::Kind::kOpen));
  BOOST_TEST(s.open() == 2U);
}

BOOST_AUTO_TEST_CASE(flush_has_whole_time_for_each_message_that_is_settled) {
  SenderFixture s;
  const Outbox outbox(s.folder);
  for (const char* body : {"1", "2", "3"}) (void)outbox.store("t", body);
  s.timeout = 3 * kSecond;
  s.network = [&](const std::string& form, const Post& real) {
    s.fixture.now += 2 * kSecond;
    if (form.starts_with("name=")) s.started = s.fixture.now;  // the handshake is not what counts
    return real(form);
  };
  BOOST_TEST((s.flush().kind == Outcome::Kind::kAccepted));
  BOOST_TEST(s.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(sends_older_messages_first) {
  SenderFixture client;
  client.network = [](const std::string&, const Post&) { return lost(); };
  client.send("1");
  client.send("2");
  client.network = nullptr;
  BOOST_TEST((client.send("3").kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(unsealed_answer_settles_nothing) {
  for (const int status : {200, 400, 404, 409, 413, 500, 503}) {
    SenderFixture client;
    client.send("first");
    int lies = 2;
    client.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      if (lies-- > 0) return {status, "accepted, truly", ""};
      return real(form);
    };
    BOOST_TEST(client.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST(client.bodies() == "first second ", status);
  }
}

BOOST_AUTO_TEST_CASE(corrects_clock_from_sealed_time) {
  SenderFixture client;
  client.clock_shift = -86'400'000;
  BOOST_TEST(client.send("x").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.slept == Milliseconds{0});
  BOOST_TEST(client.state().offset == ClockOffset{86'400'000});
  client.clock_shift = 3'600'000;  // and now it jumps
  BOOST_TEST(client.send("y").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.state().offset == ClockOffset{-3'600'000});
  BOOST_TEST(client.bodies() == "x y ");
}

BOOST_AUTO_TEST_CASE(slow_answer_does_not_set_clock) {
  SenderFixture client;
  client.network = [&](const std::string& form, const Post& real) {
    const HttpAnswer answer = real(form);
    client.fixture.now += 31 * kSecond;
    return answer;
  };
  BOOST_TEST(client.send("x").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.state().offset == ClockOffset{0});
}

BOOST_AUTO_TEST_CASE(impossible_server_time_does_not_set_clock) {
  for (const Time time :
       {time_from_ms(std::uint64_t{1} << 62), time_from_ms(std::uint64_t{1} << 63), Time::max()}) {
    SenderFixture client;
    client.network = [&](const std::string& form, const Post&) {
      return client.grant(form, 4096, time);
    };
    const Outbox outbox(client.folder);
    BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
    BOOST_TEST(client.state().offset == ClockOffset{0});
  }
}

BOOST_AUTO_TEST_CASE(retries_unavailable_with_pauses) {
  SenderFixture client;
  // After 1,024 begun sessions of this name the next one is unavailable for 150 s.
  Peer peer(Credential::parse(client.credential.json()), client.fixture.wire());
  peer.now = [&] { return client.fixture.now; };
  for (int i = 0; i < 1024; ++i) peer.handshake();
  const Outcome outcome = client.send("x");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.status == OutcomeStatus::kUnavailable);
  client.fixture.now += 150 * kSecond;
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
}

// The record that the client sent in its current session.
OpenedRecord record_in(const SenderFixture& client, const std::string& form) {
  const Envelope envelope = *Envelope::parse(form);
  const ClientState state = client.state();
  const Session session{state.session->id, state.kid, {state.name, state.generation, {}}};
  return *OpenedRecord::read(*OpenedSeal::open(envelope, *RecordHeader::read(envelope.message),
                                               session, state.session->keys.c2s));
}

BOOST_AUTO_TEST_CASE(every_record_names_lowest_awaited_counter) {
  SenderFixture client;
  client.send("0");
  BOOST_TEST(record_in(client, client.forms.back()).oldest() == 0U, "its own");
  client.network = [](const std::string&, const Post&) { return lost(); };
  client.send("1");
  client.network = nullptr;
  BOOST_TEST((client.ping().kind == Kind::kAccepted));
  const OpenedRecord ping = record_in(client, client.forms.back());
  BOOST_TEST(ping.message().counter == 2U);
  BOOST_TEST(ping.oldest() == 1U, "that one is still open");
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  client.send("3");
  BOOST_TEST(record_in(client, client.forms.back()).oldest() == 3U);
}

BOOST_AUTO_TEST_CASE(uses_no_counter_1024_above_oldest_open_one) {
  SenderFixture client;
  client.send("first");
  const Outbox outbox(client.folder);
  (void)outbox.assign_counter(outbox.store("t", "stuck"), 1);
  ClientState state = outbox.state();
  state.next = 1 + kWindow;
  outbox.save(state);
  client.network = [](const std::string& form, const Post& real) -> HttpAnswer {
    // "stuck" never gets through; it is the first numbered record of each flush.
    static int count = 0;
    return ++count <= 9 ? HttpAnswer{500, "", ""} : real(form);  // eight tries and a handshake
  };
  const Outbox::Entry next = outbox.store("t", "next");
  BOOST_TEST((client.flush().kind == Kind::kOpen));
  bool still_queued = false;
  for (const auto& entry : outbox.entries()) still_queued = still_queued || entry.file == next.file;
  BOOST_TEST(still_queued);
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "first stuck next ");
}

}  // namespace
}  // namespace sealpost
