#include "crash/fault_scenario.h"

#include <algorithm>

namespace sealpost::test {
namespace {

// The status of a settled message when it is sent again.
std::string again(const std::string& status) { return status == "accepted" ? "duplicate" : status; }

bool is_in_inbox(const std::string& status, const Message& message) {
  return status == again("accepted") && message.topic != kPingTopic;
}

}  // namespace

FaultScenario::FaultScenario()
    : application_(
          [this](const WebApplication::Request& request) {
            return http_ok("answer " + std::to_string(++answers_) + " to " + request.body);
          },
          fixture_.folder / "app") {
  fixture_.set(kHandlerTimeout, "1s");
  fixture_.set(kQuotaBytes, "3000");
  fixture_.routes("ask/* - http unix:" + (fixture_.folder / "app") +
                  ":/\nno - reject\n* - inbox\n");
  ann_.credential = fixture_.client("ann").credential.json();
  bob_.credential = fixture_.client("bob").credential.json();
  fixture_.restart();
  empty_ = fixture_.folder / "empty.db";
  // Closing the database does not checkpoint the WAL.
  (void)fixture_.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(fixture_.home.store_paths().database, empty_);
  start_ = fixture_.now;
}

bool FaultScenario::is_settled(const std::string& status) {
  return status == "accepted" || status == "duplicate" || status == "forbidden" ||
         status == "no_route" || status == "failed";
}

bool FaultScenario::run(const ScenarioFault& fault, std::vector<std::string>& errors) {
  errors_ = &errors;
  reset(fault);
  bool faulted = false;
  try {
    exchange_messages();
    faulted = disk_.has_faulted();
    disk_.plan({});
    lose_power(Loss::kUnsynced);
    check();
  } catch (const std::exception& error) {
    errors.emplace_back(error.what());
    faulted = faulted || disk_.has_faulted();
  }
  fixture_.restart();
  disk_.watch("");
  return faulted;
}

void FaultScenario::reset(const ScenarioFault& fault) {
  fault_ = fault;
  unserved_ = 0;
  fixture_.now = start_;
  fixture_.restart();
  const std::string database = fixture_.home.store_paths().database;
  for (const char* part : {"-wal", "-shm", "-journal"}) std::filesystem::remove(database + part);
  std::filesystem::copy_file(empty_, database, std::filesystem::copy_options::overwrite_existing);
  write_text(fixture_.folder / "log", "");
  for (ScenarioClient* who : {&ann_, &bob_}) {
    who->peer.emplace(Credential::parse(who->credential),
                      [this](const std::string& form) { return post(form); });
    who->peer->now = [this] { return fixture_.now; };
    who->settled.clear();
  }
  disk_.watch(database);
  disk_.plan(fault.plan);
}

void FaultScenario::exchange_messages() {
  start_session(ann_);
  deliver(ann_, "", std::string(kPingTopic));
  deliver(ann_, "first");
  start_session(bob_);
  deliver(bob_, "of another");
  send_batch();
  deliver(ann_, "what?", "ask/it");
  deliver(ann_, "beside the point", "no");
  kill_gateway_during_handler();
  checkpoint();
  deliver(bob_, "behind the checkpoint");
  exceed_a_quota();
  install_anew();
  deliver(ann_, "as new");
  tidy();
  deliver(bob_, "behind the other checkpoint");
  prove_a_rollback();
  replay(start_session(bob_));
  deliver(bob_, "in another epoch");
  deliver(ann_, "and who?", "ask/it");
  fixture_.gateway().do_housekeeping(fixture_.now, true);
  (void)has_power();
}

std::string FaultScenario::start_session(ScenarioClient& who) {
  Peer& peer = *who.peer;
  for (int i = 0; i < kTries; ++i) {
    const RoundTrip exchange = peer.handshake();
    if (exchange.status == "accepted") {
      peer.receipt = peer.session->receipt;
      return exchange.form;
    }
    require_fault_for(exchange);
  }
  throw Fault("no session for " + peer.credential.name);
}

void FaultScenario::deliver(ScenarioClient& who, const std::string& body,
                            const std::string& topic) {
  deliver(who, who.peer->message(body, topic));
}

void FaultScenario::deliver(ScenarioClient& who, const Message& message) {
  for (int i = 0; i < kTries; ++i) {
    const RoundTrip exchange = who.peer->post(who.peer->seal(message, 0, 0));
    if (is_settled(exchange.status)) {
      const bool taken = exchange.status == "accepted" || exchange.status == "duplicate";
      who.settled.push_back(
          {message, who.peer->install_nonce, taken ? "accepted" : exchange.status, exchange.body});
      return;
    }
    if (exchange.status == "in_progress") {
      // Its handler was interrupted, or the gateway keeps a result that it could not save.
      fixture_.now += kLease;
      fixture_.gateway().do_housekeeping(fixture_.now, false);
    } else {
      require_fault_for(exchange);
    }
  }
  throw Fault("no answer settles " + std::string(text_of(message.body)));
}

// Only the fault may leave a client without an answer, and only once.
void FaultScenario::require_fault_for(const RoundTrip& exchange) {
  ++unserved_;
  const std::string what = std::to_string(exchange.reply.status) + " " + exchange.status;
  expect(disk_.has_faulted(), "not served, though no fault happened: " + what);
  expect(exchange.reply.status == 503 || exchange.reply.status == 0,
         "an unexpected answer: " + what);
  expect(unserved_ < 2, "not served a second time: " + what);
}

Reply FaultScenario::post(const std::string& form) {
  Reply reply = fixture_.post(GatewayFixture::request(form));
  if (!has_power()) return {};
  if (fault_.power_fails_next && disk_.has_faulted() && reply.type == "application/octet-stream") {
    fault_.power_fails_next = false;
    lose_power(Loss::kUnsynced);
  }
  return reply;
}

bool FaultScenario::has_power() {
  if (!disk_.is_off()) return true;
  lose_power(fault_.loss);
  return false;
}

void FaultScenario::lose_power(Loss loss) {
  disk_.turn_off();
  restart();
  disk_.turn_on(loss, fault_.seed);
}

void FaultScenario::restart() { fixture_.restart(); }

void FaultScenario::check() {
  expect(fixture_.sql("PRAGMA integrity_check") == "ok", "the database is damaged");
  expect(fixture_.sql("PRAGMA foreign_key_check").empty(), "a reference leads nowhere");
  std::vector<std::string> expected;
  for (ScenarioClient* who : {&ann_, &bob_}) {
    for (const SettledMessage& told : who->settled) {
      if (told.install_nonce != who->peer->install_nonce) {
        who->peer->install_nonce = told.install_nonce;
        who->peer->receipt = {};
        start_session(*who);
      }
      expect_same_answer(*who, told);
      if (is_in_inbox(again(told.status), told.message))
        expected.emplace_back(text_of(told.message.body));
    }
  }
  std::vector<std::string> found;
  for (const InboxRow& row : fixture_.inbox()) found.emplace_back(text_of(row.body));
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  expect(found == expected, "the inbox has " + std::to_string(found.size()) +
                                " messages, not those " + std::to_string(expected.size()) +
                                " that were accepted");
  expect(
      fixture_.sql("SELECT count(*) FROM usage JOIN (SELECT name, sum(length(body)) AS bytes, "
                   "count(*) AS messages FROM message JOIN installation ON installation.id = "
                   "message.installation GROUP BY name) AS real USING (name) WHERE usage.bytes = "
                   "real.bytes AND usage.messages = real.messages") == "2",
      "a quota was miscounted");
}

void FaultScenario::expect_same_answer(ScenarioClient& who, const SettledMessage& told) {
  const RoundTrip exchange = who.peer->post(who.peer->seal(told.message, 0, 0));
  const std::string body(text_of(told.message.body));
  expect(exchange.status == again(told.status),
         "\"" + body + "\" was " + told.status + ", and now is " + exchange.status);
  expect(exchange.body == told.reply, "\"" + body + "\" has another answer now: " + exchange.body);
}

void FaultScenario::expect(bool so, const std::string& what) {
  if (!so) errors_->push_back(what);
}

}  // namespace sealpost::test
