// A gateway, a client's state folder, and a network between them that a test can disturb.
#pragma once

#include <sys/socket.h>

#include <boost/test/unit_test.hpp>

#include "client/outcome.h"
#include "client/sender.h"
#include "support/gateway_fixture.h"
#include "support/print.h"

namespace sealpost {

inline std::ostream& operator<<(std::ostream& out, Outcome::Status status) {
  return out << name_of(status);
}

}  // namespace sealpost

namespace sealpost::test {

inline HttpAnswer lost() { return {0, "", "connection lost"}; }

// A gateway, a client's state folder, and a network between them that a test can disturb.
struct SenderFixture {
  GatewayFixture fixture;
  Credential credential = std::move(fixture.client().credential);
  std::string folder = fixture.folder / "state";
  std::function<HttpAnswer(const std::string& form, const Post& real)> network;
  std::vector<std::string> forms;  // all that went out
  std::vector<std::string> reports;
  Milliseconds slept{};
  std::optional<Milliseconds> timeout;  // of a command; without one it may take for ever
  Time started = fixture.now;           // when the command got its time
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
            .clear_fields = clear_fields,
            .left =
                [this] {
                  if (!timeout) return Milliseconds::max();
                  const Milliseconds used = fixture.now - started;
                  return *timeout - std::min(*timeout, used);
                },
            .restart_time = [this] { started = fixture.now; }};
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
  // The answer that a gateway with the right keys could give to a handshake.
  HttpAnswer grant(const std::string& form, std::uint32_t max_body, Time server_time,
                   const Epoch& epoch = {2}) const {
    auto call = OpenedHandshake::open(*Envelope::parse(form), fixture.home.keyring());
    BOOST_TEST_REQUIRE(call->agree(crypto::random_key()));
    const SessionGrant words{SessionId{1}, epoch, fixture.now + kHour, Receipt{}, max_body};
    return {200, std::string(text_of(call->accept(words, server_time))), ""};
  }
  // Lets the next message reach the gateway, and loses its answer.
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

}  // namespace sealpost::test
