// The whole gateway, against somebody who holds every key: clients' keys, the keys that claims and
// receipts are signed with, the sessions' keys.  The input is a row of steps: handshakes and
// records with honest or made-up insides, sent once, again, or several in one batch, with time
// passing, the process restarting and a client being issued anew between them.  What
// gateway_model.h says must come is what comes; nothing is written that may not be; every answer
// opens; and at the end the database holds exactly the messages that were counted.
#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>
#include <variant>

#include "fuzz/fuzz.h"
#include "fuzz/gateway_model.h"
#include "fuzz/keys.h"
#include "fuzz/naive.h"
#include "fuzz/sealer.h"
#include "support/gateway_fixture.h"

// What survives a loss of power is not the question here, and to wait for the disk is most of the
// time.
extern "C" int fsync(int) { return 0; }
extern "C" int fdatasync(int) { return 0; }

namespace sealpost {
namespace {

using fuzz::Choices;
using fuzz::Model;
using fuzz::require;
using fuzz::Verdict;

constexpr int kMaxSteps = 32;
constexpr int kInputsPerFixture = 2000;  // then it would have grown too large to be quick

// A home with three clients, of which the third has been issued twice, and a look at its database
// that the gateway knows nothing of.
struct FuzzFixture {
  test::GatewayFixture fixture;
  std::vector<Credential> credentials;
  std::unique_ptr<SQLite::Database> eye;
  int inputs = 0;

  FuzzFixture() {
    fixture.set(kSessionLife, "600s");
    fixture.routes(fuzz::kModelRoutes);
    credentials.push_back(std::move(fixture.client("a", "sensor").credential));
    credentials.push_back(std::move(fixture.client("b", "shop").credential));
    Credential first = std::move(fixture.client("c", "sensor").credential);
    credentials.push_back(renewed(first));
    credentials.push_back(std::move(first));
    eye = std::make_unique<SQLite::Database>(fixture.home.store_paths().database,
                                             SQLite::OPEN_READONLY, 5000);
  }

  [[nodiscard]] Credential renewed(const Credential& old) const {
    Database at = fixture.database();
    const Generation generation = Clients(at).renew(old.name, old.kid, old.claims, fixture.now);
    return Credential::issue(fixture.home.keyring(), old.kid, old.name, generation, old.claims, "");
  }
};

FuzzFixture& shared_fixture() {
  static std::unique_ptr<FuzzFixture> shared_fixture;
  if (!shared_fixture || ++shared_fixture->inputs > kInputsPerFixture) {
    shared_fixture.reset();
    shared_fixture = std::make_unique<FuzzFixture>();
  }
  return *shared_fixture;
}

struct SentHandshake {
  fuzz::ModelHandshake model;
  std::shared_ptr<fuzz::Handshake> sealed;
};
struct SentRecord {
  fuzz::ModelRecord model;
  std::size_t session;  // its place among those that were begun
  Envelope envelope;
};
struct SentBytes {  // a stranger's
  std::string form;
};
using Sent = std::variant<SentHandshake, SentRecord, SentBytes>;

// A session that the gateway has begun, as its client knows it.
struct StartedSession {
  SessionId id;
  std::size_t client;
  Installation who;
  SessionKeys keys;
};

class FuzzRun {
 public:
  FuzzRun(FuzzFixture& shared_fixture, Choices& choices)
      : shared_(shared_fixture),
        choices_(choices),
        keyring_(shared_fixture.fixture.home.keyring()),
        model_(keyring_) {
    now() += 2 * Model::kSessionLife;  // no session of another input is alive
    for (const Credential& one : shared_fixture.credentials) {
      Generation& generation = model_.clients[one.name];
      generation = std::max(generation, one.generation);
    }
    model_.epoch = epoch();
    for (InstallNonce& nonce : nonces_) nonce = crypto::random_id<InstallNonce>();
  }

  void run() {
    for (int i = 0; i < kMaxSteps && !choices_.empty(); ++i) step();
    deliver();
    check_messages();
  }

 private:
  Time& now() { return shared_.fixture.now; }

  void step() {
    switch (choices_.of(12)) {
      case 0:
      case 1:
        return send(honest_handshake());
      case 2:
        return send(handshake(choices_.of(4), made_up_payload(), choices_.yes()));
      case 3:
      case 4:
      case 5:
        if (!begun_.empty()) send(honest_record());
        return;
      case 6:
        if (!begun_.empty()) send(record(any_session(), choices_.of(3), choices_.bytes(), false));
        return;
      case 7:
        if (!sent_.empty()) send(sent_[choices_.of(sent_.size())]);  // the same bytes again
        return;
      case 8:
        return seal_again();
      case 9:
        return send(stranger());
      case 10:
        return pass_time();
      case 11:
        batch_ = 1 + choices_.of(6);  // the next ones together
        return;
    }
  }

  void pass_time() {
    deliver();
    constexpr std::array<Milliseconds, 7> kSpans{
        Milliseconds{1}, 30 * kSecond,  59 * kSecond,       kMinute,
        150 * kSecond,   301 * kSecond, Model::kSessionLife};
    const std::size_t which = choices_.of(kSpans.size() + 2);
    if (which == kSpans.size()) return shared_.fixture.restart();
    if (which > kSpans.size()) return renew();
    now() += kSpans.at(which);
  }

  // The third client is issued anew: what it was before is revoked from here on.
  void renew() {
    Credential& newest = shared_.credentials[2];
    shared_.credentials[3] = std::move(newest);
    newest = shared_.renewed(shared_.credentials[3]);
    model_.clients[newest.name] = newest.generation;
    for (StartedSession& one : begun_) one.client = one.client == 2 ? 3 : one.client;
  }

  // --- What is sent ---

  std::int64_t shift() {
    constexpr std::array<std::int64_t, 8> kShifts{0,      0,       60'000,   -60'000,
                                                  60'001, 300'000, -300'001, 4'000'000'000'000};
    return kShifts.at(choices_.of(kShifts.size()));
  }
  Time shifted() {
    return time_from_ms(
        static_cast<std::uint64_t>(static_cast<std::int64_t>(to_ms(now())) + shift()));
  }

  Claims claims(std::size_t client) {
    const std::uint64_t seconds = now().time_since_epoch() / kSecond;
    switch (choices_.of(5)) {
      case 1:
        return *Claims::of({{"role", "shop"}, {"not_after", std::to_string(seconds + 100)}});
      case 2:
        return *Claims::of({{"role", "shop"}, {"not_before", std::to_string(seconds + 1)}});
      case 3:
        return *Claims::of({{"role", "shop"}, {"not_after", std::to_string(seconds)}});
      default:
        return shared_.credentials[client].claims;
    }
  }

  Receipt receipt(const Installation& who) {
    const crypto::Key& key = keyring_.receipt_key(1);
    const std::uint64_t next = model_.next_of(who);
    Installation other = who;
    other.nonce.bytes[0] ^= 1;
    switch (choices_.of(16)) {
      case 1:
        return make_receipt(key, *model_.epoch, who, next);
      case 2:
        return make_receipt(key, *model_.epoch, other, next + 9);
      case 3:
        return make_receipt(key, Epoch{}, who, next + 9);
      case 4:
        return {next + 9, fuzz::filled<16>(choices_.byte())};
      case 5:  // what the gateway never gave, unless it has forgotten
        return make_receipt(key, *model_.epoch, who, next + 1 + (choices_.number() >> 2));
      default:
        return {};
    }
  }

  void put_statement(Writer& writer, std::size_t client, const Installation& who, bool in_clear) {
    const Credential& me = shared_.credentials[client];
    ClaimsProof proof{receipt(who), claims(client), {}};
    proof.key_use_hmac =
        keyring_.key_use_hmac(me.kid, me.name, me.generation, proof.claims.encode());
    if (choices_.of(16) == 15) proof.key_use_hmac.bytes[0] ^= 1;
    proof.write(writer, in_clear);
  }

  Installation installation(std::size_t client) {
    const Credential& me = shared_.credentials[client];
    return {me.name, me.generation, nonces_.at(choices_.of(nonces_.size()))};
  }

  Sent honest_handshake() {
    const std::size_t client = choices_.of(4);
    const bool in_clear = choices_.of(4) == 3;
    const Installation who = installation(client);
    Writer payload;
    payload.time(shifted()).put(who.nonce);
    put_statement(payload, client, who, in_clear);
    return handshake(client, payload.take(), in_clear);
  }

  // Shaped at its start, so that it is not always late, and counts an installation of this
  // input.
  Bytes made_up_payload() {
    const Time at = shifted();
    const InstallNonce nonce = nonces_.at(choices_.of(nonces_.size()));
    Bytes payload = choices_.bytes();
    const Bytes front = Writer().time(at).put(nonce).take();
    std::copy_n(front.begin(), std::min(front.size(), payload.size()), payload.begin());
    return payload;
  }

  Sent handshake(std::size_t client, Bytes payload, bool in_clear) {
    const Credential& me = shared_.credentials[client];
    SentHandshake sent;
    sent.model = {.who = {me.name, me.generation, {}}, .digest = {}, .payload = payload};
    if (in_clear) sent.model.hmac_in_clear = me.key_use_hmac;
    std::optional<crypto::PublicKey> point;
    if (choices_.of(16) == 15) {  // 0 or 1, which lead to an all-zero result
      sent.model.small_order = true;
      point.emplace();
      point->bytes[0] = choices_.yes() ? 1 : 0;
    }
    sent.sealed = std::make_shared<fuzz::Handshake>(me, std::move(payload), in_clear, point);
    sent.model.digest = crypto::sha256({sent.sealed->envelope().message});
    return sent;
  }

  std::size_t any_session() { return choices_.of(begun_.size()); }

  std::uint64_t counter(const Installation& who) {
    const std::uint64_t next = model_.next_of(who);
    const auto below = [&](std::uint64_t by) { return next - std::min(next, by); };
    switch (choices_.of(10)) {
      case 1:
        return below(1);
      case 2:
        return below(kWindow);
      case 3:
        return below(kWindow + 1);
      case 4:
        return next + choices_.byte();
      case 5:
        return next + 5000;
      case 6:
        return kCounterEnd - 1;
      case 7:
        return choices_.byte();
      default:
        return next;
    }
  }

  Sent honest_record() {
    const std::size_t session = any_session();
    const StartedSession& from = begun_[session];
    const bool in_clear = choices_.of(4) == 3;
    constexpr std::array<std::string_view, 8> kTopics{
        "t", "shop/1", "no/1", "sealpost/ping", "sealpost/x", "sealpost/", "a/b.c_d-e", "t"};
    const std::string topic(kTopics.at(choices_.of(kTopics.size())));
    const std::uint64_t number = counter(from.who);
    Writer plaintext;
    plaintext.time(shifted()).u64(choices_.yes() ? number : choices_.number());
    put_statement(plaintext, from.client, from.who, in_clear);
    plaintext.put(crypto::random_array<16>()).lp8(topic).put(choices_.bytes());
    return record(session, number, plaintext.take(), in_clear);
  }

  Sent record(std::size_t session, std::uint64_t number, Bytes plaintext, bool in_clear) {
    const StartedSession& from = begun_[session];
    SentRecord sent;
    sent.session = session;
    sent.model = {.session = from.id, .counter = std::min(number, kCounterEnd - 1)};
    Envelope clear;
    if (choices_.yes()) clear.name = from.who.name;
    if (in_clear) {
      clear.key_use_hmac = shared_.credentials[from.client].key_use_hmac;
      sent.model.hmac_in_clear = clear.key_use_hmac;
    }
    sent.envelope =
        fuzz::seal_plaintext(from.keys.c2s, from.id, sent.model.counter, clear, plaintext);
    sent.model.plaintext = std::move(plaintext);
    return sent;
  }

  // The same message in another session, or the same counter with another message.
  void seal_again() {
    if (sent_.empty()) return;
    const auto* old = std::get_if<SentRecord>(&sent_[choices_.of(sent_.size())]);
    if (old == nullptr) return;
    Bytes plaintext = old->model.plaintext;
    if (choices_.of(4) == 3 && !plaintext.empty()) plaintext.back() ^= 1;
    send(
        record(any_session(), old->model.counter, plaintext, old->model.hmac_in_clear.has_value()));
  }

  // Something that was sent with a bit changed, or bytes of no kind.
  Sent stranger() {
    Envelope envelope;
    envelope.message = choices_.bytes();
    if (!sent_.empty() && choices_.yes()) {
      const Sent& old = sent_[choices_.of(sent_.size())];
      if (const auto* one = std::get_if<SentHandshake>(&old)) envelope = one->sealed->envelope();
      if (const auto* one = std::get_if<SentRecord>(&old)) envelope = one->envelope;
      if (!envelope.message.empty()) {
        envelope.message[choices_.byte() % envelope.message.size()] ^=
            static_cast<std::uint8_t>(1U << choices_.of(8));
      }
    }
    if (envelope.message.empty()) envelope.message = {0};
    return SentBytes{envelope.form()};
  }

  // --- Sending, and what must come back ---

  void send(Sent one) {
    sent_.push_back(one);
    waiting_.push_back(std::move(one));
    if (waiting_.size() >= batch_) deliver();
  }

  void deliver() {
    batch_ = 1;
    if (waiting_.empty()) return;
    model_.now = now();
    std::vector<Request> requests;
    for (const Sent& one : waiting_)
      requests.push_back(test::GatewayFixture::request(form_of(one)));
    const Epoch old_epoch = *model_.epoch;
    const int before = version();
    const std::vector<Handled> handled = shared_.fixture.gateway().handle(requests, now());
    const int after = version();

    const std::vector<Verdict> verdicts = expected(handled);
    bool may_write = false;
    for (const Verdict& verdict : verdicts) may_write = may_write || verdict.writes;
    require(may_write || before == after, "nothing is written that may not be");
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      check(waiting_[i], *handled[i].response, verdicts[i]);
    }
    if (!model_.epoch) {
      model_.epoch = epoch();
      require(*model_.epoch != old_epoch, "a proven rollback begins a new epoch");
    }
    require(epoch() == *model_.epoch, "and nothing else does");
    waiting_.clear();
  }

  static std::string form_of(const Sent& one) {
    if (const auto* handshake = std::get_if<SentHandshake>(&one)) {
      return handshake->sealed->envelope().form();
    }
    if (const auto* record = std::get_if<SentRecord>(&one)) return record->envelope.form();
    return std::get<SentBytes>(one).form;
  }

  // In the gateway's order: all are received, then all records that have come that far admitted.
  std::vector<Verdict> expected(const std::vector<Handled>& handled) {
    std::vector<Verdict> verdicts(waiting_.size());
    std::vector<std::size_t> admitted;
    std::vector<fuzz::ModelRecord> batch;
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (const auto* one = std::get_if<SentHandshake>(&waiting_[i])) {
        verdicts[i] = model_.handshake(one->model);
        if (verdicts[i].status == Status::kAccepted) begin(*one, *handled[i].response);
      } else if (const auto* record = std::get_if<SentRecord>(&waiting_[i])) {
        const auto early = model_.before_admission(record->model, begun_[record->session].who);
        if (early) verdicts[i] = *early;
        if (early) continue;
        admitted.push_back(i);
        batch.push_back(record->model);
      }
    }
    const std::vector<Verdict> decided = model_.admit(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) verdicts[admitted[i]] = decided[i];
    return verdicts;
  }

  void begin(const SentHandshake& sent, const Response& response) {
    auto opened = sent.sealed->open(bytes_of(response.body));
    require(opened && opened->payload.size() == 77 && opened->payload[0] == 0, "it is a grant");
    Reader reader(ByteView(opened->payload).subspan(9));
    const auto id = reader.id<SessionId>();
    const auto epoch = reader.id<Epoch>();
    if (!model_.epoch) model_.epoch = epoch;  // rolled back earlier in this batch
    require(!model_.sessions.contains(id) && epoch == model_.epoch, "in this epoch, a new session");
    model_.begin(sent.model, id);
    const Model::LiveSession& live = model_.sessions.at(id);
    require(reader.time() == live.expires_at, "which ends when it should");
    std::size_t client = 0;
    while (shared_.credentials[client].name != live.who.name ||
           shared_.credentials[client].generation != live.who.generation) {
      ++client;
    }
    begun_.push_back({id, client, live.who, std::move(opened->keys)});
  }

  void check(const Sent& sent, const Response& response, const Verdict& verdict) {
    if (response.status == 503 && !response.sealed) {
      std::fprintf(stderr, "%s\n", shared_.fixture.log().c_str());
      require(false, "nothing a client does is the gateway's own trouble");
    }
    if (verdict.instead && response.sealed) {
      return check_sealed(sent, response, Verdict{.status = verdict.instead});
    }
    if (verdict.status) return check_sealed(sent, response, verdict);
    require(!response.sealed && response.status == 403 && response.body == "refused\n",
            "a stranger hears what every stranger hears");
  }

  void check_sealed(const Sent& sent, const Response& response, const Verdict& verdict) {
    require(response.sealed && response.status == http_status_of(*verdict.status),
            "the status that the model says: " + std::string(name_of(*verdict.status)) + ", not " +
                std::to_string(response.status) + " " + response.body.substr(0, 8));
    const ByteView body = bytes_of(response.body);
    if (const auto* handshake = std::get_if<SentHandshake>(&sent)) {
      const auto opened = handshake->sealed->open(body);
      require(opened.has_value(), "message 2 opens");
      check_welcome(opened->payload, *handshake, verdict);
      return;
    }
    const auto& record = std::get<SentRecord>(sent);
    const auto answer = open_answer(begun_[record.session].keys.s2c,
                                    crypto::sha256({record.envelope.message}), body);
    require(static_cast<bool>(answer), "the answer opens");
    require(answer->status == *verdict.status,
            "the status that the model says: " + std::string(name_of(*verdict.status)) + ", not " +
                std::string(name_of(answer->status)));
    require(answer->server_time == now() && answer->body.empty(), "with the time, and no reply");
    check_receipt(answer->receipt, begun_[record.session].who, verdict);
  }

  void check_welcome(ByteView payload, const SentHandshake& sent, const Verdict& verdict) {
    Reader reader(payload);
    require(reader.u8() == static_cast<int>(*verdict.status), "the status that the model says");
    require(reader.time() == now(), "with the time");
    if (verdict.status != Status::kAccepted) return require(reader.expect_end(), "and no more");
    (void)reader.take(40);
    Installation who = sent.model.who;
    std::copy_n(sent.model.payload.begin() + 8, 16, who.nonce.bytes.begin());
    check_receipt(Receipt::read(reader), who, verdict);
  }

  void check_receipt(const Receipt& receipt, const Installation& who, const Verdict& verdict) {
    // One batch is answered when all of it is counted: its receipts may say more than one step.
    require(receipt.next == (verdict.counted ? verdict.next : 0), "how far it has counted");
    require(receipt.next == 0 || is_genuine(receipt, keyring_.receipt_key(1), *model_.epoch, who),
            "a receipt that will be believed");
  }

  // --- The database ---

  [[nodiscard]] int version() const {
    return shared_.eye->execAndGet("PRAGMA data_version").getInt();
  }

  [[nodiscard]] Epoch epoch() const {
    SQLite::Statement query(*shared_.eye, "SELECT epoch FROM server");
    require(query.executeStep(), "the database has an epoch");
    Epoch epoch;
    std::memcpy(epoch.bytes.data(), query.getColumn(0).getBlob(), epoch.bytes.size());
    return epoch;
  }

  void check_messages() {
    SQLite::Statement query(*shared_.eye, R"sql(
        SELECT counter, digest, status, coalesce(body, '')
        FROM message JOIN installation ON installation.id = message.installation
        WHERE name = ? AND generation = ? AND install_nonce = ?
        ORDER BY counter)sql");
    for (const Credential& one : shared_.credentials) {
      for (const InstallNonce& nonce : nonces_) {
        query.bind(1, one.name);
        query.bind(2, static_cast<std::int64_t>(one.generation));
        query.bind(3, nonce.bytes.data(), static_cast<int>(nonce.bytes.size()));
        for (const auto& [counter, used] : model_.used[{one.name, one.generation, nonce}]) {
          require(query.executeStep(), "what was counted is stored");
          const auto blob = [&](int at) {
            const SQLite::Column column = query.getColumn(at);
            return ByteView(static_cast<const std::uint8_t*>(column.getBlob()),
                            static_cast<std::size_t>(column.getBytes()));
          };
          require(query.getColumn(0).getInt64() == static_cast<std::int64_t>(counter) &&
                      fuzz::same(blob(1), used.digest) &&
                      query.getColumn(2).getInt() == static_cast<int>(used.status) &&
                      fuzz::same(blob(3), used.body),
                  "with its digest, its status and its body");
        }
        require(!query.executeStep(), "and nothing else is");
        query.reset();
      }
    }
  }

  FuzzFixture& shared_;
  Choices& choices_;
  Keyring keyring_;
  Model model_;
  std::array<InstallNonce, 3> nonces_{};
  std::vector<StartedSession> begun_;
  std::vector<Sent> sent_;
  std::vector<Sent> waiting_;
  std::size_t batch_ = 1;
};

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  FuzzRun(shared_fixture(), choices).run();
  return 0;
}
