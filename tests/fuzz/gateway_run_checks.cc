// Sends what was made, and checks every answer and the database against the model.
#include <algorithm>

#include "fuzz/gateway_run.h"

namespace sealpost::fuzz {

namespace {

bool is_handshake(const Sent& one) { return std::holds_alternative<SentHandshake>(one); }

}  // namespace

// Two handshakes never arrive at the same time: which of two pending sessions is older must be
// known.
void FuzzRun::send(Sent one) {
  if (is_handshake(one) && std::any_of(waiting_.begin(), waiting_.end(), is_handshake)) deliver();
  sent_.push_back(one);
  waiting_.push_back(std::move(one));
  if (waiting_.size() >= batch_) deliver();
}

void FuzzRun::deliver() {
  batch_ = 1;
  if (waiting_.empty()) return;
  model_.now = now();
  std::vector<Request> requests;
  for (const Sent& one : waiting_) requests.push_back(test::GatewayFixture::request(form_of(one)));
  std::vector<const Request*> batch;
  for (const Request& request : requests) batch.push_back(&request);
  const Epoch old_epoch = *model_.epoch;
  const int before = version();
  std::vector<Response> responses;  // no route of this gateway names a handler
  for (Handled& handled : shared_.fixture.gateway().handle(batch, now())) {
    responses.push_back(std::get<Response>(std::move(handled)));
  }
  const int after = version();

  const std::vector<Verdict> verdicts = expected(responses);
  bool may_write = false;
  for (const Verdict& verdict : verdicts) may_write = may_write || verdict.writes;
  require(may_write || before == after, "nothing is written that may not be");
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    check(waiting_[i], responses[i], verdicts[i]);
  }
  if (!model_.epoch) {
    model_.epoch = epoch();
    require(*model_.epoch != old_epoch, "a proven rollback begins a new epoch");
  }
  require(epoch() == *model_.epoch, "and nothing else does");
  waiting_.clear();
  now() += Milliseconds{1};
}

std::string FuzzRun::form_of(const Sent& one) {
  if (const auto* handshake = std::get_if<SentHandshake>(&one)) {
    return handshake->sealed->envelope().form();
  }
  if (const auto* record = std::get_if<SentRecord>(&one)) return record->envelope.form();
  return std::get<SentBytes>(one).form;
}

std::vector<Verdict> FuzzRun::expected(const std::vector<Response>& responses) {
  std::vector<Verdict> verdicts(waiting_.size());
  std::vector<std::size_t> admitted;
  std::vector<fuzz::ModelRecord> batch;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (const auto* one = std::get_if<SentHandshake>(&waiting_[i])) {
      verdicts[i] = model_.handshake(one->model);
      if (verdicts[i].status == Status::kAccepted) begin(*one, responses[i]);
    } else if (const auto* record = std::get_if<SentRecord>(&waiting_[i])) {
      const auto early = model_.before_admission(record->model, started_[record->session].who);
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

void FuzzRun::begin(const SentHandshake& sent, const Response& response) {
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
  started_.push_back({id, client, live.who, std::move(opened->keys)});
}

void FuzzRun::check(const Sent& sent, const Response& response, const Verdict& verdict) {
  if (response.status == 503 && !response.sealed) {
    std::fprintf(stderr, "%s\n", shared_.fixture.log().c_str());
    require(false, "nothing a client does is the gateway's own trouble");
  }
  if (verdict.instead && response.sealed) {
    return check_sealed(sent, response, Verdict{.status = verdict.instead});
  }
  if (verdict.status) return check_sealed(sent, response, verdict);
  require(!response.sealed && response.status == 403 && response.body == "refused\n",
          "an unauthenticated request gets the common answer");
}

void FuzzRun::check_sealed(const Sent& sent, const Response& response, const Verdict& verdict) {
  require(response.sealed && response.status == http_status_of(*verdict.status),
          "the status that the model says: " + std::string(name_of(*verdict.status)) + ", not " +
              std::to_string(response.status) + " " + response.body.substr(0, 8));
  const ByteView body = bytes_of(response.body);
  if (const auto* handshake = std::get_if<SentHandshake>(&sent)) {
    const auto opened = handshake->sealed->open(body);
    require(opened.has_value(), "message 2 opens");
    check_grant(opened->payload, *handshake, verdict);
    return;
  }
  const auto& record = std::get<SentRecord>(sent);
  const auto answer = open_answer(started_[record.session].keys.s2c,
                                  crypto::sha256({record.envelope.message}), body);
  require(static_cast<bool>(answer), "the answer opens");
  require(answer->status == *verdict.status,
          "the status that the model says: " + std::string(name_of(*verdict.status)) + ", not " +
              std::string(name_of(answer->status)));
  require(answer->server_time == now() && answer->body.empty(), "with the time, and no reply");
  check_receipt(answer->receipt, started_[record.session].who, verdict);
}

void FuzzRun::check_grant(ByteView payload, const SentHandshake& sent, const Verdict& verdict) {
  Reader reader(payload);
  require(reader.u8() == static_cast<int>(*verdict.status), "the status that the model says");
  require(reader.time() == now(), "with the time");
  if (verdict.status != Status::kAccepted) return require(reader.expect_end(), "and no more");
  (void)reader.take(40);
  Installation who = sent.model.who;
  std::copy_n(sent.model.payload.begin() + 8, 16, who.nonce.bytes.begin());
  check_receipt(Receipt::read(reader), who, verdict);
}

void FuzzRun::check_receipt(const Receipt& receipt, const Installation& who,
                            const Verdict& verdict) {
  // One batch is answered when all of it is counted: its receipts may say more than one step.
  require(receipt.next == (verdict.counted ? verdict.next : 0), "how far it has counted");
  require(receipt.next == 0 || is_genuine(receipt, keyring_.receipt_key(1), *model_.epoch, who),
          "a receipt that will be believed");
}

int FuzzRun::version() const { return shared_.reader->execAndGet("PRAGMA data_version").getInt(); }

Epoch FuzzRun::epoch() const {
  SQLite::Statement query(*shared_.reader, "SELECT epoch FROM server");
  require(query.executeStep(), "the database has an epoch");
  Epoch epoch;
  std::memcpy(epoch.bytes.data(), query.getColumn(0).getBlob(), epoch.bytes.size());
  return epoch;
}

void FuzzRun::check_messages() {
  SQLite::Statement query(*shared_.reader, R"sql(
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

}  // namespace sealpost::fuzz
