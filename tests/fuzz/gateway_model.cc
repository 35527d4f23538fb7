#include "fuzz/gateway_model.h"

#include <algorithm>

#include "fuzz/naive.h"

namespace sealpost::fuzz {
namespace {

constexpr Verdict kRefused{};

Model::Key key_of(const Installation& who) { return {who.name, who.generation, who.nonce}; }

Verdict sealed(Status status) { return {.status = status}; }

Milliseconds apart(Time a, Time b) { return a < b ? b - a : a - b; }

Receipt receipt_of(const NaiveClaimsProof& statement) {
  Receipt receipt{statement.next, {}};
  std::copy(statement.proof.begin(), statement.proof.end(), receipt.proof.begin());
  return receipt;
}

bool issued(const Keyring& keyring, const Installation& who, const NaiveClaimsProof& statement,
            const std::optional<KeyUseHmac>& in_clear) {
  const KeyUseHmac right = keyring.key_use_hmac(1, who.name, who.generation, statement.claims);
  const ByteView said = in_clear ? ByteView(*in_clear) : ByteView(statement.key_use_hmac);
  return std::equal(right.bytes.begin(), right.bytes.end(), said.begin(), said.end());
}

struct NaiveRecord {
  NaiveClaimsProof statement;
  ByteView id;
  std::string topic;
  ByteView body;
};

std::optional<NaiveRecord> read(const ModelRecord& sent) {
  const ByteView plaintext = sent.plaintext;
  std::size_t at = 16;
  if (plaintext.size() < at) return std::nullopt;
  auto statement = naive_statement(plaintext, at, sent.hmac_in_clear.has_value());
  if (!statement || plaintext.size() < at + 17) return std::nullopt;
  const std::size_t topic = plaintext[at + 16];
  if (plaintext.size() < at + 17 + topic) return std::nullopt;
  NaiveRecord record{*statement, plaintext.subspan(at, 16),
                     std::string(text_of(plaintext.subspan(at + 17, topic))),
                     plaintext.subspan(at + 17 + topic)};
  if (!is_topic(record.topic)) return std::nullopt;
  if (record.topic == "sealpost/withdraw" && record.body.size() != 32) return std::nullopt;
  return record;
}

// Step 8 for a new counter: the claims' times, and the routes below.
Status decided(const NaiveRecord& record, Time now) {
  if (record.topic == "sealpost/withdraw") return Status::kWithdrawn;
  const auto claims = Claims::decode(record.statement.claims);
  if (!claims->valid_at(now)) return Status::kForbidden;
  if (record.topic == "sealpost/ping") return Status::kAccepted;
  if (record.topic.starts_with("sealpost/")) return Status::kNoRoute;
  if (record.topic.starts_with("shop/") && claims->role() == "shop") return Status::kAccepted;
  return record.topic.starts_with("no/") ? Status::kNoRoute : Status::kAccepted;
}

// The digest of the message that a record brings or withdraws.
crypto::Digest digest_of(const NaiveRecord& record) {
  if (record.topic != "sealpost/withdraw") {
    return crypto::sha256({record.id, Writer().lp8(record.topic).view(), record.body});
  }
  crypto::Digest digest;
  std::copy(record.body.begin(), record.body.end(), digest.bytes.begin());
  return digest;
}

}  // namespace

Verdict Model::handshake(const ModelHandshake& sent) {
  const auto seen = seen_.find(sent.digest);
  if (seen != seen_.end() && now < seen->second + 150 * kSecond) return kRefused;
  if (sent.small_order) return kRefused;
  const ByteView payload = sent.payload;
  if (payload.size() < 8) return sealed(Status::kMalformed);
  if (apart(time_from_ms(naive_number(payload, 0, 8)), now) > 60 * kSecond)
    return sealed(Status::kLate);
  std::size_t at = 24;
  if (payload.size() < at) return sealed(Status::kMalformed);
  const auto statement = naive_statement(payload, at, sent.hmac_in_clear.has_value());
  if (!statement || at != payload.size()) return sealed(Status::kMalformed);
  Installation who = sent.who;
  std::copy_n(payload.begin() + 8, 16, who.nonce.bytes.begin());
  if (!issued(keyring_, who, *statement, sent.hmac_in_clear)) return sealed(Status::kForbidden);
  if (!Claims::decode(statement->claims)->valid_at(now)) return sealed(Status::kForbidden);
  const auto row = clients.find(who.name);
  if (row == clients.end() || row->second > who.generation) return sealed(Status::kRevoked);
  if (proves_rollback(receipt_of(*statement), who)) {
    roll_back();
    seen_[sent.digest] = now;
    return {.writes = true};
  }
  return {.status = Status::kAccepted, .writes = true, .counted = true, .next = next_of(who)};
}

void Model::begin(const ModelHandshake& sent, const SessionId& id) {
  seen_[sent.digest] = now;
  std::size_t at = 24;
  const auto statement = naive_statement(sent.payload, at, sent.hmac_in_clear.has_value());
  LiveSession session{sent.who, true, now + 60 * kSecond, now + kSessionLife};
  std::copy_n(sent.payload.begin() + 8, 16, session.who.nonce.bytes.begin());
  if (const auto end = Claims::decode(statement->claims)->end()) {
    session.expires_at = std::min(session.expires_at, *end);
  }
  session.until = std::min(session.until, session.expires_at);
  end_oldest_pending(session.who);
  session.begun = ++begun_;
  sessions[id] = session;
}

// Of four pending sessions of one generation, the oldest makes room for another.
void Model::end_oldest_pending(const Installation& who) {
  std::map<std::uint64_t, SessionId> pending;
  for (const auto& [id, session] : sessions) {
    const bool same = session.who.name == who.name && session.who.generation == who.generation;
    if (same && session.pending && alive(id)) pending[session.begun] = id;
  }
  if (pending.size() >= 4) sessions.erase(pending.begin()->second);
}

std::uint64_t Model::next_of(const Installation& who) const {
  const auto found = used.find(key_of(who));
  return found == used.end() || found->second.empty() ? 0 : found->second.rbegin()->first + 1;
}

std::optional<Verdict> Model::before_admission(const ModelRecord& sent,
                                               const Installation& who) const {
  const auto record = read(sent);
  std::optional<Status> status;
  if (!record) {
    status = Status::kMalformed;
  } else if (!issued(keyring_, who, record->statement, sent.hmac_in_clear)) {
    status = Status::kForbidden;
  }
  if (!alive(sent.session)) return Verdict{.writes = !status, .instead = status};
  if (status) return sealed(*status);
  return std::nullopt;
}

std::vector<Verdict> Model::admit(const std::vector<ModelRecord>& batch) {
  const auto sessions_before = sessions;
  const auto used_before = used;
  std::vector<Verdict> verdicts;
  for (const ModelRecord& sent : batch) {
    const auto verdict = admit_one(sent);
    if (verdict) {
      verdicts.push_back(*verdict);
      continue;
    }
    // Proven an old copy: nothing of the batch was admitted, and all sessions have ended.
    sessions = sessions_before;
    used = used_before;
    roll_back();
    return std::vector<Verdict>(batch.size(), {.writes = true});
  }
  return verdicts;
}

// Nothing: a proven rollback.
std::optional<Verdict> Model::admit_one(const ModelRecord& sent) {
  if (!alive(sent.session)) return Verdict{.writes = true};
  LiveSession& session = sessions.at(sent.session);
  const Installation who = session.who;
  const NaiveRecord record = *read(sent);
  if (clients.at(who.name) > who.generation)
    return Verdict{.status = Status::kRevoked, .writes = true};
  if (proves_rollback(receipt_of(record.statement), who)) return std::nullopt;
  if (session.pending) {
    session.pending = false;
    session.until = session.expires_at;
    std::erase_if(sessions, [&](const auto& one) {
      return one.second.who.name == who.name && one.first != sent.session;
    });
  }

  auto& counters = used[key_of(who)];
  const std::uint64_t next = next_of(who);
  const auto digest = digest_of(record);
  const auto verdict = [&](Status status, bool counted) {
    return Verdict{
        .status = status, .writes = true, .counted = counted, .next = counted ? next_of(who) : 0};
  };
  if (next > kWindow && sent.counter < next - kWindow) return verdict(Status::kTooOld, true);
  if (const auto old = counters.find(sent.counter); old != counters.end()) {
    if (old->second.digest != digest) return verdict(Status::kConflict, true);
    const bool accepted = old->second.status == Status::kAccepted;
    return verdict(accepted ? Status::kDuplicate : old->second.status, true);
  }
  if (apart(time_from_ms(naive_number(sent.plaintext, 0, 8)), now) > 300 * kSecond) {
    return verdict(Status::kLate, false);
  }
  const Status status = decided(record, now);
  const bool kept = status == Status::kAccepted && record.topic != "sealpost/ping";
  counters[sent.counter] = {digest, status,
                            kept ? Bytes(record.body.begin(), record.body.end()) : Bytes()};
  return verdict(status, true);
}

bool Model::alive(const SessionId& id) const {
  const auto found = sessions.find(id);
  return found != sessions.end() && found->second.until > now;
}

bool Model::proves_rollback(const Receipt& receipt, const Installation& who) const {
  return epoch && receipt.next > next_of(who) &&
         receipt == make_receipt(keyring_.receipt_key(1), *epoch, who, receipt.next);
}

void Model::roll_back() {
  sessions.clear();
  epoch.reset();
}

}  // namespace sealpost::fuzz
