// One run of the gateway's fuzzer: the steps that an input stands for, and what the model expects.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>
#include <variant>

#include "fuzz/fuzz.h"
#include "fuzz/gateway_model.h"
#include "fuzz/keys.h"
#include "fuzz/naive.h"
#include "fuzz/sealer.h"
#include "support/gateway_fixture.h"

namespace sealpost::fuzz {

// A gateway with three clients, the third of which was issued twice, and a second connection to its
// database.
struct FuzzFixture {
  test::GatewayFixture fixture;
  std::vector<Credential> credentials;
  std::unique_ptr<SQLite::Database> reader;
  int inputs = 0;

  FuzzFixture() {
    fixture.set(kSessionLife, "600s");
    fixture.routes(fuzz::kModelRoutes);
    credentials.push_back(std::move(fixture.client("a", "sensor").credential));
    credentials.push_back(std::move(fixture.client("b", "shop").credential));
    Credential first = std::move(fixture.client("c", "sensor").credential);
    credentials.push_back(renewed(first));
    credentials.push_back(std::move(first));
    reader = std::make_unique<SQLite::Database>(fixture.home.store_paths().database,
                                                SQLite::OPEN_READONLY, 5000);
  }

  [[nodiscard]] Credential renewed(const Credential& old) const {
    Database at = fixture.database();
    const Generation generation =
        Clients(at).renew(old.name, old.kid, old.claims, fixture.now, Milliseconds(0));
    return Credential::issue(fixture.home.keyring(), old.kid, old.name, generation, old.claims, "");
  }
};

struct SentHandshake {
  fuzz::ModelHandshake model;
  std::shared_ptr<fuzz::Handshake> sealed;
};
struct SentRecord {
  fuzz::ModelRecord model;
  std::size_t session;  // its index among those that were started
  Envelope envelope;
};
struct SentBytes {  // of an unauthenticated client
  std::string form;
};
using Sent = std::variant<SentHandshake, SentRecord, SentBytes>;

// A session that the gateway has started, as its client knows it.
struct StartedSession {
  SessionId id;
  std::size_t client;
  Installation who;
  SessionKeys keys;
};

class FuzzRun {
 public:
  FuzzRun(FuzzFixture& shared_fixture, Choices& choices);

  void run();

 private:
  Time& now() { return shared_.fixture.now; }

  void step();

  void pass_time();

  // Renews the third client, which revokes its former generation.
  void renew();

  // --- What is sent ---

  std::int64_t shift();
  Time shifted();

  Claims claims(std::size_t client);

  Receipt receipt(const Installation& who);

  void put_claims_proof(Writer& writer, std::size_t client, const Installation& who, bool in_clear);

  Installation installation(std::size_t client);

  Sent honest_handshake();

  // Shaped at its start, so that it is not always late, and counts an installation of this
  // input.
  Bytes made_up_payload();

  Sent handshake(std::size_t client, Bytes payload, bool in_clear);

  std::size_t any_session() { return choices_.of(started_.size()); }

  std::uint64_t counter(const Installation& who);

  Sent honest_record();

  Sent record(std::size_t session, std::uint64_t number, Bytes plaintext, bool in_clear);

  // The same message in another session, or the same counter with another message.
  void seal_again();

  // A sent request with one bit changed, or bytes of no known kind.
  Sent unauthenticated();

  // --- Sending, and what must come back ---

  void send(Sent one);

  void deliver();

  static std::string form_of(const Sent& one);

  // In the gateway's order: all are received, then all records that have come that far admitted.
  std::vector<Verdict> expected(const std::vector<Response>& responses);

  void begin(const SentHandshake& sent, const Response& response);

  void check(const Sent& sent, const Response& response, const Verdict& verdict);

  void check_sealed(const Sent& sent, const Response& response, const Verdict& verdict);

  void check_grant(ByteView payload, const SentHandshake& sent, const Verdict& verdict);

  void check_receipt(const Receipt& receipt, const Installation& who, const Verdict& verdict);

  // --- The database ---

  [[nodiscard]] int version() const;

  [[nodiscard]] Epoch epoch() const;

  void check_messages();

  FuzzFixture& shared_;
  Choices& choices_;
  Keyring keyring_;
  Model model_;
  std::array<InstallNonce, 3> nonces_{};
  std::vector<StartedSession> started_;
  std::vector<Sent> sent_;
  std::vector<Sent> waiting_;
  std::size_t batch_ = 1;
};

}  // namespace sealpost::fuzz
