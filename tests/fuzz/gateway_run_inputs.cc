// The steps of a run, and what its clients send.
#include "fuzz/gateway_run.h"

namespace sealpost::fuzz {
namespace {

constexpr int kMaxSteps = 32;

}  // namespace

FuzzRun::FuzzRun(FuzzFixture& shared_fixture, Choices& choices)
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

void FuzzRun::run() {
  for (int i = 0; i < kMaxSteps && !choices_.empty(); ++i) step();
  deliver();
  check_messages();
}

void FuzzRun::step() {
  switch (choices_.of(12)) {
    case 0:
    case 1:
      return send(honest_handshake());
    case 2:
      return send(handshake(choices_.of(4), made_up_payload(), choices_.yes()));
    case 3:
    case 4:
    case 5:
      if (!started_.empty()) send(honest_record());
      return;
    case 6:
      if (!started_.empty()) send(record(any_session(), choices_.of(3), choices_.bytes(), false));
      return;
    case 7:
      if (!sent_.empty()) send(sent_[choices_.of(sent_.size())]);  // the same bytes again
      return;
    case 8:
      return seal_again();
    case 9:
      return send(unauthenticated());
    case 10:
      return pass_time();
    case 11:
      batch_ = 1 + choices_.of(6);  // the next ones together
      return;
  }
}

void FuzzRun::pass_time() {
  deliver();
  constexpr std::array<Milliseconds, 7> kSpans{
      Milliseconds{1}, 30 * kSecond,  59 * kSecond,       kMinute,
      150 * kSecond,   301 * kSecond, Model::kSessionLife};
  const std::size_t which = choices_.of(kSpans.size() + 2);
  if (which == kSpans.size()) return shared_.fixture.restart();
  if (which > kSpans.size()) return renew();
  now() += kSpans.at(which);
}

void FuzzRun::renew() {
  Credential& newest = shared_.credentials[2];
  shared_.credentials[3] = std::move(newest);
  newest = shared_.renewed(shared_.credentials[3]);
  model_.clients[newest.name] = newest.generation;
  for (StartedSession& one : started_) one.client = one.client == 2 ? 3 : one.client;
}

std::int64_t FuzzRun::shift() {
  constexpr std::array<std::int64_t, 8> kShifts{0,      0,       60'000,   -60'000,
                                                60'001, 300'000, -300'001, 4'000'000'000'000};
  return kShifts.at(choices_.of(kShifts.size()));
}

Time FuzzRun::shifted() {
  return time_from_ms(
      static_cast<std::uint64_t>(static_cast<std::int64_t>(to_ms(now())) + shift()));
}

Claims FuzzRun::claims(std::size_t client) {
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

Receipt FuzzRun::receipt(const Installation& who) {
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

void FuzzRun::put_claims_proof(Writer& writer, std::size_t client, const Installation& who,
                               bool in_clear) {
  const Credential& me = shared_.credentials[client];
  ClaimsProof proof{receipt(who), claims(client), {}};
  proof.key_use_hmac = keyring_.key_use_hmac(me.kid, me.name, me.generation, proof.claims.encode());
  if (choices_.of(16) == 15) proof.key_use_hmac.bytes[0] ^= 1;
  proof.write(writer, in_clear);
}

Installation FuzzRun::installation(std::size_t client) {
  const Credential& me = shared_.credentials[client];
  return {me.name, me.generation, nonces_.at(choices_.of(nonces_.size()))};
}

Sent FuzzRun::honest_handshake() {
  const std::size_t client = choices_.of(4);
  const bool in_clear = choices_.of(4) == 3;
  const Installation who = installation(client);
  Writer payload;
  payload.time(shifted()).put(who.nonce);
  put_claims_proof(payload, client, who, in_clear);
  return handshake(client, payload.take(), in_clear);
}

Bytes FuzzRun::made_up_payload() {
  const Time at = shifted();
  const InstallNonce nonce = nonces_.at(choices_.of(nonces_.size()));
  Bytes payload = choices_.bytes();
  const Bytes front = Writer().time(at).put(nonce).take();
  std::copy_n(front.begin(), std::min(front.size(), payload.size()), payload.begin());
  return payload;
}

Sent FuzzRun::handshake(std::size_t client, Bytes payload, bool in_clear) {
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

std::uint64_t FuzzRun::counter(const Installation& who) {
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

Sent FuzzRun::honest_record() {
  const std::size_t session = any_session();
  const StartedSession& from = started_[session];
  const bool in_clear = choices_.of(4) == 3;
  constexpr std::array<std::string_view, 8> kTopics{
      "t", "shop/1", "no/1", "sealpost/ping", "sealpost/x", "sealpost/withdraw", "a/b.c_d-e", "t"};
  const std::string topic(kTopics.at(choices_.of(kTopics.size())));
  const std::uint64_t number = counter(from.who);
  Writer plaintext;
  plaintext.time(shifted()).u64(choices_.yes() ? number : choices_.number());
  put_claims_proof(plaintext, from.client, from.who, in_clear);
  plaintext.put(crypto::random_array<16>()).lp8(topic).put(choices_.bytes());
  return record(session, number, plaintext.take(), in_clear);
}

Sent FuzzRun::record(std::size_t session, std::uint64_t number, Bytes plaintext, bool in_clear) {
  const StartedSession& from = started_[session];
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

void FuzzRun::seal_again() {
  if (sent_.empty()) return;
  const auto* old = std::get_if<SentRecord>(&sent_[choices_.of(sent_.size())]);
  if (old == nullptr) return;
  Bytes plaintext = old->model.plaintext;
  if (choices_.of(4) == 3 && !plaintext.empty()) plaintext.back() ^= 1;
  send(record(any_session(), old->model.counter, plaintext, old->model.hmac_in_clear.has_value()));
}

Sent FuzzRun::unauthenticated() {
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

}  // namespace sealpost::fuzz
