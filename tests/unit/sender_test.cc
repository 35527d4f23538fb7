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
#include "support/house.h"
#include "support/process.h"

namespace sealpost {

static std::ostream& operator<<(std::ostream& out, Outcome::Status status) {
  return out << name_of(status);
}

namespace {

using test::Peer;
using test::TestHouse;
using Kind = Outcome::Kind;
using OutcomeStatus = Outcome::Status;

HttpAnswer lost() { return {0, "", "connection lost"}; }

// A house, a client's state folder, and a network between them that a test can spoil.
struct Road {
  TestHouse house;
  Credential credential = std::move(house.client().credential);
  std::string folder = house.folder / "state";
  std::function<HttpAnswer(const std::string& form, const Post& real)> network;
  std::vector<std::string> forms;  // all that went out
  std::vector<std::string> reports;
  Milliseconds slept = 0;
  std::int64_t clock_shift = 0;
  bool clear_fields = false;

  Road() {
    const Outbox outbox(folder);
    const crypto::SecretText text = credential.json();
    outbox.install(bytes_of(text), ClientState::fresh(credential));
  }

  Sender::Environment environment() {
    const Post real = [this](const std::string& form) -> HttpAnswer {
      const test::Reply reply = house.post(TestHouse::request(form));
      return {reply.status, reply.body, ""};
    };
    return {.post =
                [this, real](const std::string& form) {
                  forms.push_back(form);
                  return network ? network(form, real) : real(form);
                },
            .now =
                [this] {
                  return static_cast<Time>(static_cast<std::int64_t>(house.now) + clock_shift);
                },
            .sleep =
                [this](Milliseconds time) {
                  slept += time;
                  house.now += time;
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
    auto call = OpenedHandshake::open(*Envelope::parse(form), house.home.keyring());
    BOOST_TEST_REQUIRE(call->agree(crypto::random_key()));
    const SessionGrant words{SessionId{1}, epoch, house.now + kHour, Receipt{}, max_body};
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
    for (const auto& row : house.inbox()) all.append(text_of(row.body)).append(" ");
    return all;
  }
};

BOOST_AUTO_TEST_CASE(messages_arrive_in_one_session_and_leave_the_outbox) {
  for (const bool clear_fields : {false, true}) {
    Road road;
    road.clear_fields = clear_fields;
    BOOST_TEST((road.send("one").kind == Kind::kAccepted));
    BOOST_TEST((road.send("two").kind == Kind::kAccepted));
    BOOST_TEST(road.bodies() == "one two ");
    BOOST_TEST(road.open() == 0U);
    BOOST_TEST(road.forms.size() == 3U, "one handshake, two records");
    BOOST_TEST(road.forms[0].starts_with("name=client1&") == true);
    BOOST_TEST((road.forms[1].find("key_use_hmac=") != std::string::npos) == clear_fields);
  }
}

BOOST_AUTO_TEST_CASE(a_message_is_on_disk_with_its_counter_before_it_leaves) {
  Road road;
  bool seen = false;
  road.network = [&](const std::string& form, const Post& real) {
    const auto entries = Outbox(road.folder).entries();
    if (!form.starts_with("name=")) {
      seen = entries.size() == 1 && entries[0].counter == 0U;
    } else {
      BOOST_TEST((entries.size() == 1U && !entries[0].counter),
                 "no counter before there is a session");
    }
    return real(form);
  };
  road.send("x");
  BOOST_TEST(seen);
}

BOOST_AUTO_TEST_CASE(a_lost_request_and_a_lost_answer_are_followed_by_the_same_message) {
  for (const bool request_arrives : {false, true}) {
    Road road;
    road.send("first");
    int lose = 3;
    road.network = [&](const std::string& form, const Post& real) {
      if (lose-- <= 0) return real(form);
      if (request_arrives) (void)real(form);
      return lost();
    };
    const Outcome outcome = road.send("second");
    BOOST_TEST((outcome.kind == Kind::kAccepted));
    BOOST_TEST(outcome.status ==
               (request_arrives ? OutcomeStatus::kDuplicate : OutcomeStatus::kAccepted));
    BOOST_TEST(road.bodies() == "first second ");
    BOOST_TEST(road.forms.size() == 2U + 4U, "no new handshake: the session is not gone");
    BOOST_TEST(road.slept > 500U);
  }
}

BOOST_AUTO_TEST_CASE(where_nobody_answers_it_gives_up_and_the_message_stays_open) {
  Road road;
  road.network = [](const std::string&, const Post&) { return lost(); };
  const Outcome outcome = road.send("later");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.status == OutcomeStatus::kNetwork);
  BOOST_TEST(road.open() == 1U);
  BOOST_TEST(road.slept > 5'000U);
  BOOST_TEST(road.slept < 20'000U);
  road.network = nullptr;
  BOOST_TEST((road.flush().kind == Kind::kAccepted));
  BOOST_TEST(road.bodies() == "later ");
}

BOOST_AUTO_TEST_CASE(older_messages_go_first) {
  Road road;
  road.network = [](const std::string&, const Post&) { return lost(); };
  road.send("1");
  road.send("2");
  road.network = nullptr;
  BOOST_TEST((road.send("3").kind == Kind::kAccepted));
  BOOST_TEST(road.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(an_unsealed_answer_settles_nothing_whatever_its_status) {
  for (const int status : {200, 400, 404, 409, 413, 500, 503}) {
    Road road;
    road.send("first");
    int lies = 2;
    road.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      if (lies-- > 0) return {status, "accepted, truly", ""};
      return real(form);
    };
    BOOST_TEST(road.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST(road.bodies() == "first second ", status);
  }
}

BOOST_AUTO_TEST_CASE(a_session_that_is_gone_is_replaced_and_the_same_message_sealed_again) {
  Road road;
  road.send("first");
  road.house.sql("DELETE FROM session");
  const Outcome outcome = road.send("second");
  BOOST_TEST(outcome.status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.slept == 0U, "the first time without a rest");
  BOOST_TEST(road.bodies() == "first second ");
  BOOST_TEST(road.forms.size() == 2U + 3U);
}

BOOST_AUTO_TEST_CASE(a_forged_403_costs_handshakes_but_at_most_one_a_try) {
  Road road;
  road.network = [](const std::string&, const Post&) -> HttpAnswer {
    return {403, "refused\n", ""};
  };
  BOOST_TEST((road.send("x").kind == Kind::kOpen));
  BOOST_TEST(road.forms.size() <= 8U);
}

BOOST_AUTO_TEST_CASE(a_wrong_clock_is_corrected_by_the_sealed_time) {
  Road road;
  road.clock_shift = -86'400'000;
  BOOST_TEST(road.send("x").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.slept == 0U);
  BOOST_TEST(road.state().offset == 86'400'000);
  road.clock_shift = 3'600'000;  // and now it jumps
  BOOST_TEST(road.send("y").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.state().offset == -3'600'000);
  BOOST_TEST(road.bodies() == "x y ");
}

BOOST_AUTO_TEST_CASE(a_slow_answer_does_not_set_the_clock) {
  Road road;
  road.network = [&](const std::string& form, const Post& real) {
    const HttpAnswer answer = real(form);
    road.house.now += 31 * kSecond;
    return answer;
  };
  BOOST_TEST(road.send("x").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.state().offset == 0);
}

BOOST_AUTO_TEST_CASE(settled_refusals_are_reported_and_let_go) {
  Road road;
  const Outcome outcome = road.send("x", "sealpost/other");
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kForbidden);
  BOOST_TEST(!outcome.reason.empty());
  BOOST_TEST(road.open() == 0U);
}

BOOST_AUTO_TEST_CASE(what_may_have_acted_stays_open_when_the_client_is_revoked) {
  for (const bool by_record : {false, true}) {
    Road road;
    road.send("first");
    road.lose_one_answer();
    BOOST_TEST((road.send("acted").kind == Kind::kOpen));
    road.network = nullptr;
    BOOST_TEST(road.bodies() == "first acted ");
    Database database = road.house.database();
    Clients book(database);
    if (by_record) {
      book.renew("client1", 1, road.credential.claims, road.house.now);
    } else {
      book.revoke("client1", road.house.now);
    }
    for (int i = 0; i < 2; ++i) {
      const Outcome outcome = road.flush();
      BOOST_TEST((outcome.kind == Kind::kOpen), by_record);
      BOOST_TEST(outcome.status == OutcomeStatus::kRevoked);
      BOOST_TEST(outcome.reason.find("unknown whether the server acted") != std::string::npos);
      BOOST_TEST(road.open() == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(
    what_has_never_left_is_refused_when_the_client_is_revoked_and_keeps_its_place) {
  Road road;
  road.send("first");
  Database database = road.house.database();
  Clients(database).revoke("client1", road.house.now);
  BOOST_TEST((road.send("posted to no session").kind == Kind::kOpen));
  const Outcome outcome = road.send("never left");
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kRevoked);
  const auto entries = Outbox(road.folder).entries();
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(!entries[1].counter.has_value());
}

BOOST_AUTO_TEST_CASE(a_ping_is_let_go_of_whatever_becomes_of_it) {
  Road road;
  BOOST_TEST(road.ping().status == OutcomeStatus::kAccepted);
  road.lose_one_answer();
  BOOST_TEST(road.ping().status == OutcomeStatus::kNetwork);
  BOOST_TEST(road.open() == 0U);
  road.network = nullptr;
  Database database = road.house.database();
  Clients(database).revoke("client1", road.house.now);
  for (int i = 0; i < 2; ++i) {  // one in the old session, and one that gets no number
    BOOST_TEST(road.ping().status == OutcomeStatus::kRevoked);
    BOOST_TEST(road.open() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(after_revoked_no_message_gets_a_number) {
  Road road;
  road.send("first");
  Database database = road.house.database();
  Clients(database).renew("client1", 1, road.credential.claims, road.house.now);
  BOOST_TEST(road.send("second").status == OutcomeStatus::kRevoked);
  BOOST_TEST(road.send("third").status == OutcomeStatus::kRevoked);
  const auto entries = Outbox(road.folder).entries();
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(entries[0].counter.has_value());
  BOOST_TEST(!entries[1].counter.has_value());
}

BOOST_AUTO_TEST_CASE(what_the_gateway_cannot_take_is_refused_here) {
  Road road;
  road.house.set(kMaxBody, "4096");
  const Outcome outcome = road.send(std::string(4000, 'x'));
  BOOST_TEST((outcome.kind == Kind::kRejected));
  BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge);
  BOOST_TEST(road.open() == 0U);
  BOOST_TEST(road.send("small").status == OutcomeStatus::kAccepted);
}

BOOST_AUTO_TEST_CASE(what_was_too_large_when_the_session_began_is_asked_once_more) {
  Road road;
  road.house.set(kMaxBody, "4096");
  road.send("small");
  road.house.set(kMaxBody, "1048576");
  BOOST_TEST(road.send(std::string(4000, 'x')).status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.forms.size() == 2U + 2U, "a handshake and the message");
}

BOOST_AUTO_TEST_CASE(what_is_too_large_now_and_may_have_acted_before_is_not_refused) {
  Road road;
  road.send("first");
  road.lose_one_answer();
  const std::string large(4000, 'x');
  BOOST_TEST(road.send(large).status == OutcomeStatus::kNetwork);
  road.house.set(kMaxBody, "4096");
  BOOST_TEST((road.flush().kind == Kind::kOpen), "nothing is decided where nobody answers");
  road.house.now += 24 * kHour;  // the session is over
  BOOST_TEST((road.flush().kind == Kind::kOpen));
  road.network = nullptr;
  const Outcome outcome = road.flush();
  BOOST_TEST((outcome.kind == Kind::kUnknown));
  BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge);
  BOOST_TEST(outcome.reason.find("unknown whether the server acted") != std::string::npos);
  BOOST_TEST(road.open() == 0U);
  BOOST_TEST(road.bodies() == "first " + large + " ");
}

BOOST_AUTO_TEST_CASE(a_welcome_that_takes_less_than_any_gateway_is_none) {
  Road road;
  std::uint32_t takes = 4095;
  road.network = [&](const std::string& form, const Post& real) {
    return form.starts_with("name=") ? road.grant(form, takes, road.house.now) : real(form);
  };
  const Outcome outcome = road.send("x");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.reason.find("accepts only 4095 bytes") != std::string::npos, outcome.reason);
  BOOST_TEST(!road.state().session.has_value());
  takes = 4096;
  const Outbox outbox(road.folder);
  BOOST_TEST(Sender(outbox, road.environment()).connect().status == OutcomeStatus::kAccepted);
}

BOOST_AUTO_TEST_CASE(a_server_time_beyond_all_times_does_not_set_the_clock) {
  for (const Time time : {Time{1} << 62, Time{1} << 63, ~Time{0}}) {
    Road road;
    road.network = [&](const std::string& form, const Post&) {
      return road.grant(form, 4096, time);
    };
    const Outbox outbox(road.folder);
    BOOST_TEST(Sender(outbox, road.environment()).connect().status == OutcomeStatus::kAccepted);
    BOOST_TEST(road.state().offset == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_dead_session_is_left_whatever_the_web_server_makes_of_a_403) {
  for (const int status : {200, 302, 404, 409, 500}) {
    Road road;
    road.send("first");
    road.house.sql("DELETE FROM session");
    road.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      const HttpAnswer answer = real(form);
      return answer.status == 403 ? HttpAnswer{status, "<h1>Sorry</h1>", ""} : answer;
    };
    BOOST_TEST(road.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST(road.bodies() == "first second ", status);
    BOOST_TEST(road.forms.size() == 2U + 4U, "two that fail, a handshake and the message");
    BOOST_TEST(road.reports.empty(), status);
  }
}

BOOST_AUTO_TEST_CASE(a_session_that_is_only_doubted_is_kept_until_there_is_another) {
  for (const int status : {403, 413, 502}) {
    Road road;
    road.send("first");
    const SessionId before = road.state().session->id;
    int lies = status == 502 ? 2 : 1;
    road.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      if (form.starts_with("name=")) return {502, "", ""};
      return lies-- > 0 ? HttpAnswer{status, "", ""} : real(form);
    };
    BOOST_TEST(road.send("second").status == OutcomeStatus::kAccepted, status);
    BOOST_TEST((road.state().session->id == before), status);
    BOOST_TEST(road.bodies() == "first second ", status);
  }
}

BOOST_AUTO_TEST_CASE(where_nothing_is_sealed_one_handshake_a_message_is_enough) {
  Road road;
  road.send("first");
  road.network = [](const std::string&, const Post&) -> HttpAnswer { return {502, "", ""}; };
  BOOST_TEST((road.send("x").kind == Kind::kOpen));
  BOOST_TEST(road.forms.size() == 2U + 9U, "eight tries and a handshake");
}

BOOST_AUTO_TEST_CASE(a_large_message_that_the_web_server_minds_makes_it_ask_once_what_is_taken) {
  for (const int status : {413, 500}) {
    Road road;
    road.send("first");
    road.house.set(kMaxBody, "131072");  // the session says more
    road.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
      return form.size() > 131'072 ? HttpAnswer{status, "", ""} : real(form);
    };
    const Outcome outcome = road.send(std::string(200'000, 'x'));
    BOOST_TEST((outcome.kind == Kind::kUnknown), "who says that it was the web server?");
    BOOST_TEST(outcome.status == OutcomeStatus::kTooLarge, status);
    BOOST_TEST(road.slept == 0U, status);
    BOOST_TEST(road.forms.size() == 2U + 2U, "the message and a handshake");
    BOOST_TEST(road.reports.empty(), status);
    BOOST_TEST(road.open() == 0U, status);
  }
}

BOOST_AUTO_TEST_CASE(where_the_gateway_knows_no_limit_it_is_asked_only_once) {
  Road road;
  road.send("first");
  road.network = [&](const std::string& form, const Post& real) -> HttpAnswer {
    return form.size() > 131'072 ? HttpAnswer{500, "", ""} : real(form);
  };
  const Outcome outcome = road.send(std::string(200'000, 'x'));
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.reason.find("SEALPOST_MAX_BODY") != std::string::npos, outcome.reason);
  BOOST_TEST(road.forms.size() == 2U + 9U, "eight tries and one handshake");
}

BOOST_AUTO_TEST_CASE(connecting_always_makes_a_new_session) {
  Road road;
  road.send("first");
  const SessionId before = road.state().session->id;
  const Outbox outbox(road.folder);
  BOOST_TEST(Sender(outbox, road.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST((road.state().session->id != before));
}

BOOST_AUTO_TEST_CASE(outcomes_are_ordered_from_accepted_to_open) {
  const Kind order[] = {Kind::kAccepted, Kind::kRejected, Kind::kFailed, Kind::kUnknown,
                        Kind::kOpen};
  for (std::size_t i = 1; i < std::size(order); ++i) {
    BOOST_TEST(severity({order[i - 1], {}, {}, {}}) < severity({order[i], {}, {}, {}}), i);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_sealed_comes_with_a_hint) {
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
struct Boaster {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port = test::free_port();
  std::thread thread;

  explicit Boaster(std::size_t size) {
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
  ~Boaster() {
    thread.join();
    close(listener);
  }
  Boaster(const Boaster&) = delete;
  Boaster& operator=(const Boaster&) = delete;
};

BOOST_AUTO_TEST_CASE(trouble_on_the_network_names_the_url) {
  const std::string nobody = "http://127.0.0.1:" + std::to_string(test::free_port()) + "/gate";
  BOOST_TEST(http_post(nobody)("x").error.find(nobody) != std::string::npos);
  const Boaster boaster(3 << 20);
  const std::string url = "http://127.0.0.1:" + std::to_string(boaster.port) + "/gate";
  const HttpAnswer answer = http_post(url)("x");
  BOOST_TEST(answer.status == 0);
  BOOST_TEST(answer.error.find(url + " sent a larger answer") == 0U, answer.error);
}

BOOST_AUTO_TEST_CASE(trouble_on_the_network_tells_no_password) {
  const std::string host = "127.0.0.1:" + std::to_string(test::free_port());
  for (const char* path : {"/gate", "/a@b", ""}) {
    const std::string url = "http://user:secret@" + host + path + "?token=secret";
    const std::string trouble = http_post(url)("x").error;
    BOOST_TEST(trouble.starts_with("http://" + host + path + ": "), trouble);
    BOOST_TEST(trouble.find("secret") == std::string::npos, trouble);
  }
}

BOOST_AUTO_TEST_CASE(unavailable_is_tried_again_with_rests) {
  Road road;
  // Four pending sessions of this name: a fifth is not to be had for a minute.
  Peer peer(Credential::parse(road.credential.json()), road.house.wire());
  peer.now = [&] { return road.house.now; };
  for (int i = 0; i < 4; ++i) peer.handshake();
  const Outcome outcome = road.send("x");
  BOOST_TEST((outcome.kind == Kind::kOpen));
  BOOST_TEST(outcome.status == OutcomeStatus::kUnavailable);
  road.house.now += kMinute;
  BOOST_TEST((road.flush().kind == Kind::kAccepted));
}

void copy_folder(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

BOOST_AUTO_TEST_CASE(
    a_client_restored_from_a_copy_goes_on_as_a_new_installation_and_loses_nothing) {
  Road road;
  road.send("1");
  copy_folder(road.folder, road.folder + ".copy");
  const InstallNonce before = road.state().install_nonce;
  road.send("2");
  road.send("3");
  road.house.now += 24 * kHour;
  copy_folder(road.folder + ".copy", road.folder);  // restored: a handshake comes first

  BOOST_TEST(road.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.bodies() == "1 2 3 4 ");
  BOOST_TEST((road.state().install_nonce != before));
  BOOST_REQUIRE(road.reports.size() == 1U);
  BOOST_TEST(road.reports[0].find("restored copy") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(
    a_copied_state_that_is_used_within_its_session_meets_a_conflict_and_never_sends_that_message_again) {
  Road road;
  road.send("1");
  copy_folder(road.folder, road.folder + ".copy");
  road.send("2");
  copy_folder(road.folder + ".copy", road.folder);
  const InstallNonce copied = road.state().install_nonce;

  const Outcome outcome = road.send("other 2");  // counter 1, in the session that is still alive
  BOOST_TEST((outcome.kind == Kind::kUnknown));
  BOOST_TEST(outcome.status == OutcomeStatus::kConflict);
  BOOST_TEST(road.open() == 0U);
  BOOST_TEST(road.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST((road.state().install_nonce != copied), "as a new installation");
  BOOST_TEST(road.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(what_had_left_before_the_copy_is_settled_under_the_old_installation) {
  Road road;
  road.send("1");
  road.network = [](const std::string& form, const Post& real) {
    (void)real(form);
    return lost();
  };
  road.send("2");  // took effect, but the answer was lost: it is open, and numbered
  road.network = nullptr;
  copy_folder(road.folder, road.folder + ".copy");
  BOOST_TEST((road.flush().kind == Kind::kAccepted));
  road.send("3");
  road.house.sql("DELETE FROM session");
  copy_folder(road.folder + ".copy", road.folder);

  BOOST_TEST(road.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.bodies() == "1 2 3 4 ", "2 was not stored twice");
}

BOOST_AUTO_TEST_CASE(a_new_epoch_clears_the_receipt_and_the_client_recovers_by_itself) {
  Road road;
  road.send("1");
  const std::string backup = road.house.folder / "backup.db";
  {
    Database database = road.house.database();
    back_up(database, backup);
  }
  road.send("2");
  BOOST_TEST(road.state().receipt.next == 2U);
  restore(road.house.home.store_paths(), road.house.home.server_id(), backup, road.house.now);
  road.house.now += 24 * kHour;
  {
    const Outbox outbox(road.folder);
    BOOST_TEST(Sender(outbox, road.environment()).connect().status == OutcomeStatus::kAccepted);
  }
  BOOST_TEST(road.state().receipt.next == 1U, "what this epoch's server has counted");
  BOOST_TEST(road.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.bodies() == "1 3 ");
  BOOST_TEST(road.state().receipt.next == 3U);
  BOOST_TEST(road.reports.empty(), "nobody is accused");
}

// What the client said in a record that went out, in the session that it still has.
OpenedRecord record_in(const Road& road, const std::string& form) {
  const Envelope envelope = *Envelope::parse(form);
  const ClientState state = road.state();
  const Session session{state.session->id, state.kid, {state.name, state.generation, {}}};
  return *OpenedRecord::read(*OpenedSeal::open(envelope, *RecordHeader::read(envelope.message),
                                               session, state.session->keys.c2s));
}

BOOST_AUTO_TEST_CASE(every_record_names_the_lowest_counter_whose_answer_is_awaited) {
  Road road;
  road.send("0");
  BOOST_TEST(record_in(road, road.forms.back()).oldest() == 0U, "its own");
  road.network = [](const std::string&, const Post&) { return lost(); };
  road.send("1");
  road.network = nullptr;
  BOOST_TEST((road.ping().kind == Kind::kAccepted));
  const OpenedRecord ping = record_in(road, road.forms.back());
  BOOST_TEST(ping.message().counter == 2U);
  BOOST_TEST(ping.oldest() == 1U, "that one is still open");
  BOOST_TEST((road.flush().kind == Kind::kAccepted));
  road.send("3");
  BOOST_TEST(record_in(road, road.forms.back()).oldest() == 3U);
}

BOOST_AUTO_TEST_CASE(the_highest_receipt_of_an_epoch_is_kept_whatever_comes_later) {
  Road road;
  road.send("1");
  road.clock_shift = 3'600'000;  // the next answer is `late`, with no receipt
  BOOST_TEST(road.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.forms.size() == 4U);
  BOOST_TEST(record_in(road, road.forms.back()).proof().receipt.next == 1U);
  BOOST_TEST(road.state().receipt.next == 2U);

  // Whoever has stolen this client's key can answer so, and would make it forget what proves a
  // rollback.
  road.network = [&](const std::string& form, const Post&) {
    return road.grant(form, 1U << 20, road.house.now, road.state().epoch);
  };
  const Outbox outbox(road.folder);
  BOOST_TEST(Sender(outbox, road.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.state().receipt.next == 2U, "a message 2 of the same epoch never lowers it");
}

BOOST_AUTO_TEST_CASE(being_replaced_twice_within_an_hour_is_reported) {
  Road road;
  Peer thief(Credential::parse(road.credential.json()), road.house.wire());
  thief.now = [&] { return road.house.now; };
  road.send("1");
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(road.reports.empty());
    thief.handshake();
    BOOST_TEST(thief.send("stolen").status == "accepted");
    BOOST_TEST(road.send("mine").status == OutcomeStatus::kAccepted);
  }
  BOOST_REQUIRE(road.reports.size() == 1U);
  BOOST_TEST(road.reports[0].find("in use elsewhere") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_expired_session_is_replaced_before_it_is_used) {
  Road road;
  road.send("1");
  road.house.now += 24 * kHour;
  BOOST_TEST(road.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(road.forms.size() == 4U);
}

BOOST_AUTO_TEST_CASE(no_counter_is_started_1024_above_the_oldest_open_one) {
  Road road;
  road.send("first");
  const Outbox outbox(road.folder);
  (void)outbox.assign_counter(outbox.store("t", "stuck"), 1);
  ClientState state = outbox.state();
  state.next = 1 + kWindow;
  outbox.save(state);
  road.network = [](const std::string& form, const Post& real) -> HttpAnswer {
    // "stuck" never gets through; it is the first numbered record of each flush.
    static int count = 0;
    return ++count <= 9 ? HttpAnswer{500, "", ""} : real(form);  // eight tries and a handshake
  };
  const Outbox::Entry next = outbox.store("t", "next");
  BOOST_TEST((road.flush().kind == Kind::kOpen));
  bool still_queued = false;
  for (const auto& entry : outbox.entries()) still_queued = still_queued || entry.file == next.file;
  BOOST_TEST(still_queued);
  BOOST_TEST((road.flush().kind == Kind::kAccepted));
  BOOST_TEST(road.bodies() == "first stuck next ");
}

}  // namespace
}  // namespace sealpost
