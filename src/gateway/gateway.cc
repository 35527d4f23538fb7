#include "gateway/gateway.h"

#include "crypto/primitives.h"

namespace sealpost {
namespace {

constexpr Milliseconds kHandshakeTolerance = 60 * kSecond;
constexpr Milliseconds kTallyInterval = 10 * kSecond;

std::string body_of(const Bytes& bytes) { return std::string(text_of(bytes)); }

// PROTOCOL 6, step 8: what is to be said of a message if its counter turns out to be new.
Ruling rule(const OpenedRecord& record, const Settings& settings, Time now) {
  if (settings.tolerance != 0 && distance(record.sent_at(), now) > settings.tolerance) {
    return Ruling::kLate;
  }
  if (!record.statement().claims.valid_at(now)) return Ruling::kForbidden;
  const std::string& topic = record.message().topic;
  if (topic == kPingTopic) return Ruling::kNowhere;
  return is_reserved_topic(topic) ? Ruling::kForbidden : Ruling::kInbox;
}

}  // namespace

// One request on its way: it has either an answer or a candidate to be admitted.
struct Gateway::Visit {
  explicit Visit(const Request& from) : request(from) {}

  const Request& request;
  Envelope envelope;
  std::optional<SessionKeys> keys;
  crypto::Digest request_hash{};
  std::optional<Candidate> candidate;
  std::optional<Response> response;
  JournalEntry entry;

  void answer(const PlainAnswer& plain) {
    response = plain.response();
    entry.outcome = plain.status == 503 ? "unavailable" : "refused";
    entry.reason = plain.reason;
  }
  void answer(Status status, std::string_view reason, const Bytes& sealed) {
    response = Response{http_status_of(status), body_of(sealed), true};
    entry.outcome = name_of(status);
    entry.reason = reason;
  }
};

Gateway::Gateway(SettingTexts texts)
    : texts_(std::move(texts)), max_body_(settings_.max_body), journal_(texts_[kLog]) {
  try {
    max_body_ = Settings::parse(texts_).max_body;
  } catch (const Fault&) {
    // Said where it can be answered: in house().
  }
}

std::vector<Response> Gateway::handle(std::span<const Request> batch, Time now) {
  std::deque<Visit> visits;
  for (const Request& request : batch) {
    Visit& visit = visits.emplace_back(request);
    guarded(visit, [&] { receive(visit, now); });
  }
  admit(visits, now);

  std::vector<Response> responses;
  for (Visit& visit : visits) {
    note(visit, now);
    responses.push_back(std::move(*visit.response));
  }
  return responses;
}

// PROTOCOL 4.
void Gateway::receive(Visit& visit, Time now) {
  if (const auto no = check_http(visit.request)) return visit.answer(*no);
  Result<Envelope> envelope = Envelope::parse(visit.request.body);
  if (!envelope) return visit.answer(not_the_form(envelope.refusal().reason));
  visit.envelope = std::move(*envelope);
  house();  // 503 comes before 403
  if (visit.envelope.kind() == kHandshakeKind) return handshake(visit, now);
  if (visit.envelope.kind() == kRecordKind) return record(visit, now);
  visit.answer(refused("first_byte"));
}

// PROTOCOL 5, in its order.
void Gateway::handshake(Visit& visit, Time now) {
  Store& store = house().store();
  const Keyring& keyring = house().keyring();

  // 1-4: a stranger's until here, and nothing is written
  Result<OpenedHandshake> opened =
      OpenedHandshake::open(visit.envelope, keyring, crypto::random_key());
  if (!opened) return visit.answer(refused(opened.refusal().reason));
  if (store.has_seen(opened->digest(), now)) return visit.answer(refused("replayed_handshake"));
  visit.entry.name = opened->name();
  const auto refuse = [&](Status status, std::string_view reason) {
    visit.answer(status, reason, opened->refuse(status, now));
  };

  // 5-7: sealed from here on
  const std::optional<Time> sent_at = opened->sent_at();
  if (!sent_at) return refuse(Status::kMalformed, "short");
  if (distance(*sent_at, now) > kHandshakeTolerance) return refuse(Status::kLate, "clock");
  const Result<Introduction> introduction = opened->introduction();
  if (!introduction) return refuse(Status::kMalformed, introduction.refusal().reason);
  const Statement& statement = introduction->statement;
  const Installation who{opened->name(), opened->generation(), introduction->install_nonce};
  if (!was_issued(keyring, opened->kid(), who, statement)) {
    return refuse(Status::kForbidden, "key_use_hmac");
  }
  if (!statement.claims.valid_at(now)) return refuse(Status::kForbidden, "claims_time");

  // 8-10: one transaction
  const Session session{crypto::random_array<16>(), opened->kid(), who};
  const Time expires_at =
      std::min(now + settings_.session_life, statement.claims.end().value_or(~Time{0}));
  const Beginning beginning =
      store.begin({session,
                   keyring.seal_session_keys(session.kid, session.id, who.name, opened->keys(),
                                             crypto::random_array<24>()),
                   opened->digest(), statement.receipt, expires_at},
                  keyring, now);
  switch (beginning.verdict) {
    case Beginning::Verdict::kReplayed:
      return visit.answer(refused("replayed_handshake"));
    case Beginning::Verdict::kRevoked:
      return refuse(Status::kRevoked, "generation");
    case Beginning::Verdict::kRolledBack:
      return visit.answer(refused("rollback"));
    case Beginning::Verdict::kTooManyPending:
      return refuse(Status::kUnavailable, "pending_sessions");
    case Beginning::Verdict::kBegun:
      break;
  }
  const Welcome welcome{
      session.id, beginning.epoch, expires_at,
      give_receipt(keyring.receipt_key(session.kid), beginning.epoch, who, beginning.next),
      static_cast<std::uint32_t>(settings_.max_body)};
  visit.answer(Status::kAccepted, "", opened->accept(welcome, now));
  visit.entry.outcome = "session";
}

// PROTOCOL 6, steps 1 to 4; the rest needs the transaction, and is `admit`.
void Gateway::record(Visit& visit, Time now) {
  // 1: form, header, live session
  const Result<RecordHeader> header = RecordHeader::read(visit.envelope.message);
  if (!header) return visit.answer(refused(header.refusal().reason));
  const auto stored = house().store().find_session(header->session_id, now);
  if (!stored) return visit.answer(refused("session"));
  const Session& session = stored->session;
  const std::string& name = session.installation.name;
  if (!visit.envelope.name.empty() && visit.envelope.name != name) {
    return visit.answer(refused("name"));
  }
  const Keyring& keyring = house().keyring();
  if (!keyring.has(session.kid)) return visit.answer(refused("kid"));

  // 2: the seal.  Nothing is written before this point, whatever arrives
  visit.keys = keyring.open_session_keys(session.kid, session.id, name, stored->sealed_keys);
  Result<OpenedSeal> seal = OpenedSeal::open(visit.envelope, *header, session, visit.keys->c2s);
  if (!seal) return visit.answer(refused(seal.refusal().reason));
  visit.request_hash = seal->request_hash();
  visit.entry.name = name;

  // 3: the plaintext's shape
  Result<OpenedRecord> record = OpenedRecord::read(std::move(*seal));
  if (!record) return answer_sealed(visit, Status::kMalformed, record.refusal().reason, now);
  visit.entry.topic = record->message().topic;

  // 4: what this client was issued
  if (!was_issued(keyring, session.kid, session.installation, record->statement())) {
    return answer_sealed(visit, Status::kForbidden, "key_use_hmac", now);
  }
  const Ruling ruling = rule(*record, settings_, now);
  visit.candidate = Candidate{std::move(*record), ruling};
}

// PROTOCOL 6, steps 5 to 9, for all that have come this far, in one transaction.
void Gateway::admit(std::deque<Visit>& visits, Time now) {
  std::vector<Candidate> batch;
  std::vector<Visit*> waiting;
  for (Visit& visit : visits) {
    if (!visit.candidate) continue;
    waiting.push_back(&visit);
    batch.push_back(std::move(*visit.candidate));
  }
  if (batch.empty()) return;
  try {
    const std::vector<Admission> admissions = house().store().admit(batch, house().keyring(), now);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      waiting[i]->candidate = std::move(batch[i]);
      guarded(*waiting[i], [&] { settle(*waiting[i], admissions[i], now); });
    }
  } catch (const std::exception& fault) {
    for (Visit* visit : waiting) fail(*visit, fault);
  }
}

void Gateway::settle(Visit& visit, const Admission& admission, Time now) {
  using Verdict = Admission::Verdict;
  const Session& session = visit.candidate->record.session();
  const auto answer = [&](Status status, std::string_view reason, bool with_receipt) {
    const Receipt receipt =
        with_receipt ? give_receipt(house().keyring().receipt_key(session.kid), admission.epoch,
                                    session.installation, admission.next)
                     : Receipt{};
    answer_sealed(visit, status, reason, now, receipt);
  };
  visit.entry.number = admission.number;
  const bool accepted = admission.status == Status::kAccepted;
  switch (admission.verdict) {
    case Verdict::kNew:
      return answer(admission.status, accepted ? "" : "claims_or_topic", true);
    case Verdict::kUsed:
      return answer(accepted ? Status::kDuplicate : admission.status, "used", true);
    case Verdict::kConflict:
      if (admission.alarm) {
        journal_.alarm("conflict", session.installation.name,
                       "two copies of one client's state are at work: a restored backup, a clone, "
                       "or a stolen credential",
                       now);
      }
      return answer(Status::kConflict, "counter", true);
    case Verdict::kTooOld:
      return answer(Status::kTooOld, "window", true);
    case Verdict::kLate:
      return answer(Status::kLate, "clock", false);
    case Verdict::kUnavailable:
      return answer(Status::kUnavailable, "storage", false);
    case Verdict::kRevoked:
      return answer(Status::kRevoked, "generation", false);
    case Verdict::kNoSession:
      return visit.answer(refused("session"));
    case Verdict::kRolledBack:
      return visit.answer(refused("rollback"));
  }
}

void Gateway::answer_sealed(Visit& visit, Status status, std::string_view reason, Time now,
                            const Receipt& receipt) {
  visit.answer(status, reason,
               seal_answer(visit.keys->s2c, visit.request_hash, crypto::random_array<32>(),
                           {status, now, receipt, {}}));
}

template <class Work>
void Gateway::guarded(Visit& visit, Work work) {
  try {
    work();
  } catch (const std::exception& fault) {
    fail(visit, fault);
  }
}

// A fault fails closed: the peer hears 503, the log everything, and nothing we knew is trusted any
// more.
void Gateway::fail(Visit& visit, const std::exception& fault) {
  visit.candidate.reset();
  visit.answer(unavailable());
  visit.entry.detail = fault.what();
  house_.reset();
}

void Gateway::note(Visit& visit, Time now) {
  const auto spent = std::chrono::steady_clock::now() - visit.request.arrived;
  visit.entry.microseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(spent).count());
  journal_.request(visit.entry, now);
  if (visit.entry.reason == "rollback") {
    journal_.alarm("rollback", visit.entry.name,
                   "the database is older than what it had promised this client: a new epoch has "
                   "begun, and all clients start new sessions by themselves",
                   now);
  }
  const bool in_messages = visit.entry.number != 0 && visit.entry.reason != "used";
  const bool tallied = !in_messages && visit.entry.outcome != "session";
  if (tallied) {
    const std::string_view outcome =
        visit.response->sealed ? visit.entry.outcome : visit.entry.reason;
    ++tally_[{iso_time(now).substr(0, 10), visit.entry.name, std::string(outcome)}];
  }
}

void Gateway::write_tally(Time now, bool at_exit) {
  if (tally_.empty() || (!at_exit && now < tally_written_at_ + kTallyInterval)) return;
  tally_written_at_ = now;
  try {
    house().store().add(tally_);
    tally_.clear();
  } catch (const std::exception&) {
    // The database is in trouble, and the log says so already: the counts wait.
  }
}

void Gateway::trim() {
  try {
    if (house_) house_->store().trim();
  } catch (const std::exception&) {
    // Only the next start is slower.
  }
}

House& Gateway::house() {
  if (!house_) {
    settings_ = Settings::parse(texts_);
    house_ = std::make_unique<House>(settings_);
  }
  return *house_;
}

}  // namespace sealpost
