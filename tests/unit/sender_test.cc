// The client's behaviour, against a gateway in this process: what is lost, late, doubled or copied
// on the way.
#define BOOST_TEST_MODULE sender
#include "client/sender.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "base/encoding.h"
#include "client/outcome.h"
#include "store/backup.h"
#include "support/gateway_fixture.h"
#include "support/print.h"
#include "support/process.h"

namespace sealpost {

static std::ostream& operator<<(std::ostream& out, Outcome::Status status) {
  return out << name_of(status);
}

namespace {

using test::GatewayFixture;
using test::Peer;
using Kind = Outcome::Kind;
using OutcomeStatus = Outcome::Status;

HttpAnswer lost() { return {0, "", "connection lost"}; }

// A gateway, a client's state folder, and a network between them that a test can disturb.
struct SenderFixture {
  GatewayFixture fixture;
  Credential credential = std::move(fixture.client().credential);
  std::string folder = fixture.folder / "state";
  std::function<HttpAnswer(const std::string& form, const Post& real)> network;
  std::vector<std::string> forms;  // all that went out
  std::vector<std::string> reports;
  Milliseconds slept{};
  std::int64_t clock_shift = 0;
  bool clear_fields = false;

  SenderFixture() {
    const Outbox outbox(folder);
    const crypto::SecretText text = credential.json();
    outbox.install(bytes_of(text), ClientState::fresh(credential));
  }

  Sender::Environment environment() {
    const Post real = [this](const std::string& form) -> HttpAnswer {
      const test::Reply reply = fixture.post(GatewayFixture::request(form));
      return {reply.status, reply.body, ""};
    };
    return {.post =
                [this, real](const std::string& form) {
                  forms.push_back(form);
                  return network ? network(form, real) : real(form);
                },
            .now =
                [this] {
                  return time_from_ms(static_cast<std::uint64_t>(
                      static_cast<std::int64_t>(to_ms(fixture.now)) + clock_shift));
                },
            .sleep =
                [this](Milliseconds time) {
                  slept += time;
                  fixture.now += time;
                },
            .report = [this](const std::string& text) { reports.push_back(text); },
            .clear_fields = clear_fields};
  }

  Outcome send(const std::string& body, const std::string& topic = "t") {
    const Outbox outbox(folder);
    Sender sender(outbox, environment());
    return sender.deliver(outbox.store(topic, body));
  }
  Outcome flush() {
    const Outbox outbox(folder);
    return Sender(outbox, environment()).deliver_all();
  }
  Outcome ping() {
    const Outbox outbox(folder);
    Sender sender(outbox, environment());
    return sender.deliver_or_drop(outbox.store(kPingTopic, ""));
  }
  // What a gateway with the right keys could answer a handshake.
  HttpAnswer grant(const std::string& form, std::uint32_t max_body, Time server_time,
                   const Epoch& epoch = {2}) const {
    auto call = OpenedHandshake::open(*Envelope::parse(form), fixture.home.keyring());
    BOOST_TEST_REQUIRE(call->agree(crypto::random_key()));
    const SessionGrant words{SessionId{1}, epoch, fixture.now + kHour, Receipt{}, max_body};
    return {200, std::string(text_of(call->accept(words, server_time))), ""};
  }
  // The answer to what is sent next is lost, whatever it did.
  void lose_one_answer() {
    network = [this](const std::string& form, const Post& real) {
      if (form.starts_with("name=")) return real(form);
      (void)real(form);
      network = [](const std::string&, const Post&) { return lost(); };
      return lost();
    };
  }
  [[nodiscard]] std::size_t open() const { return Outbox(folder).entries().size(); }
  [[nodiscard]] ClientState state() const { return Outbox(folder).state(); }
  [[nodiscard]] std::string bodies() const {
    std::string all;
    for (const auto& row : fixture.inbox()) all.append(text_of(row.body)).append(" ");
    return all;
  }
};

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
    BOOST_TEST(client.forms.size() == 2U + 4U, "no new handshake: the session is not gone");
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

BOOST_AUTO_TEST_CASE(replaces_deleted_session_and_seals_same_message_again) {
  SenderFixture client;
  client.send("first");
  client.fixture.sql("DELETE FROM session");
  const Outcome outcome = client.send("second");
  BOOST_TEST(outcome.status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.slept == Milliseconds{0}, "the first time without a rest");
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
    Clients tracker(database);
    if (by_record) {
      tracker.renew("client1", 1, client.credential.claims, client.fixture.now);
    } else {
      tracker.revoke("client1", client.fixture.now);
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

BOOST_AUTO_TEST_CASE(connect_always_starts_new_session) {
  SenderFixture client;
  client.send("first");
  const SessionId before = client.state().session->id;
  const Outbox outbox(client.folder);
  BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST((client.state().session->id != before));
}

BOOST_AUTO_TEST_CASE(outcomes_are_ordered_from_accepted_to_open) {
  const Kind order[] = {Kind::kAccepted, Kind::kRejected, Kind::kFailed, Kind::kUnknown,
                        Kind::kOpen};
  for (std::size_t i = 1; i < std::size(order); ++i) {
    BOOST_TEST(severity({order[i - 1], {}, {}, {}}) < severity({order[i], {}, {}, {}}), i);
  }
}

BOOST_AUTO_TEST_CASE(unsealed_answer_is_reported_with_a_hint) {
  const std::tuple<int, std::size_t, const char*> rows[] = {
      {403, 100, "does not know this credential, or the web server forbids the request"},
      {404, 100, "Check the URL."},
      {413, 100, "smaller bodies"},
      {500, 100'000, "smaller bodies"},
      {500, 100, "log"},
      {502, 100, "log"},
      {503, 100'000, "log"},
  };
  for (const auto& [status, size, word] : rows) {
    const Outcome outcome = unsealed({status, "", ""}, size);
    BOOST_TEST((outcome.kind == Kind::kOpen), status);
    BOOST_TEST(outcome.reason.find(word) != std::string::npos, outcome.reason);
  }
  BOOST_TEST(unsealed({500, "", ""}, 100).reason.find("smaller") == std::string::npos);
}

// Answers one request with `size` bytes, and says at which port.
struct LargeAnswerServer {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = test::free_port();
  std::thread thread;

  explicit LargeAnswerServer(std::size_t size) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    BOOST_REQUIRE(listen(listener, 1) == 0);
    thread = std::thread([this, size] {
      const int peer = accept(listener, nullptr, nullptr);
      std::array<char, 4096> request{};
      BOOST_TEST(recv(peer, request.data(), request.size(), 0) > 0);
      const std::string text = "HTTP/1.0 200 OK\r\n\r\n" + std::string(size, 'x');
      std::size_t sent = 0;
      while (sent < text.size()) {
        const ssize_t put = send(peer, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (put <= 0) break;
        sent += static_cast<std::size_t>(put);
      }
      close(peer);
    });
  }
  ~LargeAnswerServer() {
    thread.join();
    close(listener);
  }
  LargeAnswerServer(const LargeAnswerServer&) = delete;
  LargeAnswerServer& operator=(const LargeAnswerServer&) = delete;
};

BOOST_AUTO_TEST_CASE(network_error_names_url) {
  const std::string nobody = "http://127.0.0.1:" + std::to_string(test::free_port()) + "/gate";
  BOOST_TEST(http_post(nobody)("x").error.find(nobody) != std::string::npos);
  const LargeAnswerServer server(3 << 20);
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port) + "/gate";
  const HttpAnswer answer = http_post(url)("x");
  BOOST_TEST(answer.status == 0);
  BOOST_TEST(answer.error.find(url + " sent a larger answer") == 0U, answer.error);
}

BOOST_AUTO_TEST_CASE(network_error_hides_password) {
  const std::string host = "127.0.0.1:" + std::to_string(test::free_port());
  for (const char* path : {"/gate", "/a@b", ""}) {
    const std::string url = "http://user:secret@" + host + path + "?token=secret";
    const std::string trouble = http_post(url)("x").error;
    BOOST_TEST(trouble.starts_with("http://" + host + path + ": "), trouble);
    BOOST_TEST(trouble.find("secret") == std::string::npos, trouble);
  }
}

BOOST_AUTO_TEST_CASE(retries_unavailable_with_pauses) {
  SenderFixture client;
  // Four pending sessions of this name: a fifth is not to be had for a minute.
  Peer peer(Credential::parse(client.credential.json()), client.fixture.wire());
  peer.now = [&] { return client.fixture.now; };
  for (int i = 0; i < 4; ++i) peer.handshake();
  const Outcome outcome = client.send("x");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.status == OutcomeStatus::kUnavailable);
  client.fixture.now += kMinute;
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
}

void copy_folder(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

BOOST_AUTO_TEST_CASE(restored_client_continues_as_new_installation_and_loses_nothing) {
  SenderFixture client;
  client.send("1");
  copy_folder(client.folder, client.folder + ".copy");
  const InstallNonce before = client.state().install_nonce;
  client.send("2");
  client.send("3");
  client.fixture.now += 24 * kHour;
  copy_folder(client.folder + ".copy", client.folder);  // restored: a handshake comes first

  BOOST_TEST(client.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 2 3 4 ");
  BOOST_TEST((client.state().install_nonce != before));
  BOOST_REQUIRE(client.reports.size() == 1U);
  BOOST_TEST(client.reports[0].find("restored copy") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(copied_state_gets_conflict_and_never_resends_that_message) {
  SenderFixture client;
  client.send("1");
  copy_folder(client.folder, client.folder + ".copy");
  client.send("2");
  copy_folder(client.folder + ".copy", client.folder);
  const InstallNonce copied = client.state().install_nonce;

  const Outcome outcome = client.send("other 2");  // counter 1, in the session that is still alive
  BOOST_TEST((outcome.kind == Kind::kUnknown));
  BOOST_TEST(outcome.status == OutcomeStatus::kConflict);
  BOOST_TEST(client.open() == 0U);
  BOOST_TEST(client.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST((client.state().install_nonce != copied), "as a new installation");
  BOOST_TEST(client.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(settles_messages_sent_before_copy_under_old_installation) {
  SenderFixture client;
  client.send("1");
  client.network = [](const std::string& form, const Post& real) {
    (void)real(form);
    return lost();
  };
  client.send("2");  // took effect, but the answer was lost: it is open, and numbered
  client.network = nullptr;
  copy_folder(client.folder, client.folder + ".copy");
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  client.send("3");
  client.fixture.sql("DELETE FROM session");
  copy_folder(client.folder + ".copy", client.folder);

  BOOST_TEST(client.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 2 3 4 ", "2 was not stored twice");
}

BOOST_AUTO_TEST_CASE(new_epoch_clears_receipt_and_client_recovers) {
  SenderFixture client;
  client.send("1");
  const std::string backup = client.fixture.folder / "backup.db";
  {
    Database database = client.fixture.database();
    back_up(database, backup);
  }
  client.send("2");
  BOOST_TEST(client.state().receipt.next == 2U);
  restore(client.fixture.home.store_paths(), client.fixture.home.server_id(), backup,
          client.fixture.now);
  client.fixture.now += 24 * kHour;
  {
    const Outbox outbox(client.folder);
    BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  }
  BOOST_TEST(client.state().receipt.next == 1U, "what this epoch's server has counted");
  BOOST_TEST(client.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 3 ");
  BOOST_TEST(client.state().receipt.next == 3U);
  BOOST_TEST(client.reports.empty(), "nobody is accused");
}

// What the client said in a record that went out, in the session that it still has.
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

BOOST_AUTO_TEST_CASE(keeps_highest_receipt_of_epoch) {
  SenderFixture client;
  client.send("1");
  client.clock_shift = 3'600'000;  // the next answer is `late`, with no receipt
  BOOST_TEST(client.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.forms.size() == 4U);
  BOOST_TEST(record_in(client, client.forms.back()).proof().receipt.next == 1U);
  BOOST_TEST(client.state().receipt.next == 2U);

  // Whoever has stolen this client's key can answer so, and would make it forget what proves a
  // rollback.
  client.network = [&](const std::string& form, const Post&) {
    return client.grant(form, 1U << 20, client.fixture.now, client.state().epoch);
  };
  const Outbox outbox(client.folder);
  BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.state().receipt.next == 2U, "a message 2 of the same epoch never lowers it");
}

BOOST_AUTO_TEST_CASE(reports_being_replaced_twice_within_an_hour) {
  SenderFixture client;
  Peer thief(Credential::parse(client.credential.json()), client.fixture.wire());
  thief.now = [&] { return client.fixture.now; };
  client.send("1");
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(client.reports.empty());
    thief.handshake();
    BOOST_TEST(thief.send("stolen").status == "accepted");
    BOOST_TEST(client.send("mine").status == OutcomeStatus::kAccepted);
  }
  BOOST_REQUIRE(client.reports.size() == 1U);
  BOOST_TEST(client.reports[0].find("in use elsewhere") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(replaces_expired_session_before_use) {
  SenderFixture client;
  client.send("1");
  client.fixture.now += 24 * kHour;
  BOOST_TEST(client.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.forms.size() == 4U);
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
