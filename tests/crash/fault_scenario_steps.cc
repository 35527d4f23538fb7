// The steps of the scenario: what the clients, the operator and the gateway's process do.
#include "crash/fault_scenario.h"

namespace sealpost::test {
namespace {

constexpr const char* kNever = "there is no room for this one";

}  // namespace

void FaultScenario::send_batch() {
  Peer& ann = *ann_.peer;
  Peer& bob = *bob_.peer;
  const std::pair<ScenarioClient*, Message> messages[] = {{&ann_, ann.message("one of many")},
                                                          {&bob_, bob.message("two of many")},
                                                          {&ann_, ann.message("three")}};
  std::vector<Request> batch;
  for (const auto& [who, message] : messages) {
    batch.push_back(GatewayFixture::request(who->peer->seal(message, 0, 0).form()));
  }
  batch.push_back(GatewayFixture::request("garbage"));
  batch.push_back(batch[0]);
  const std::vector<Handled> handled = fixture_.handle(batch);
  const bool heard = has_power();
  for (std::size_t i = 0; i < std::size(messages); ++i) {
    const auto& [who, message] = messages[i];
    if (heard && std::get<Response>(handled[i]).status == 200) {
      who->settled.push_back({message, who->peer->install_nonce, "accepted", ""});
    } else {
      deliver(*who, message);
    }
  }
}

// The process ends while a handler runs.  The next process claims the message.
void FaultScenario::kill_gateway_during_handler() {
  const Message message = ann_.peer->message("cut short", "ask/it");
  const Request request = GatewayFixture::request(ann_.peer->seal(message, 0, 0).form());
  for (bool begun = false; !begun;) {
    const Handled handled = fixture_.handle(request);
    if (!has_power()) continue;
    const auto* response = std::get_if<Response>(&handled);
    begun = response == nullptr || response->status == 409;  // the second time, in progress
    if (!begun) require_fault_for({.reply = {response->status, "", ""}});
  }
  restart();
  fixture_.now += kLease;
  claim_overdue();
  deliver(ann_, message);
}

void FaultScenario::claim_overdue() {
  for (int i = 0; i < 2; ++i) {
    try {
      for (PendingDelivery& one : fixture_.gateway().claim_overdue(fixture_.now)) {
        one.run();
        fixture_.finish(one);
      }
    } catch (const Fault&) {
      // The gateway's loop tries again in a while.
    }
    (void)has_power();
  }
}

// A checkpoint by another process, as when the WAL reaches its page limit.
void FaultScenario::checkpoint() {
  for (int i = 0; i < 2; ++i) {
    try {
      Database at = fixture_.database();
      const WriteLock::Guard hold = at.write_lock().acquire();
      at.handle().exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (const std::exception&) {
      // That process's own trouble.
    }
    (void)has_power();
  }
}

void FaultScenario::tidy() {
  for (const Milliseconds later : {Milliseconds{0}, 5 * kMinute}) {
    fixture_.gateway().do_housekeeping(fixture_.now + later, false);
    (void)has_power();
  }
}

void FaultScenario::exceed_a_quota() {
  deliver(bob_, std::string(2000, 'b'));
  const Message message = bob_.peer->message(kNever + std::string(2000, 'b'));
  bool told = false;
  for (int i = 0; i < 2; ++i) {
    const RoundTrip exchange = bob_.peer->post(bob_.peer->seal(message, 0, 0));
    expect(!is_settled(exchange.status),
           "a message over the quota was settled: " + exchange.status);
    told = told || exchange.status == "unavailable";
  }
  expect(told, "no answer says that the quota is used up");
  --bob_.peer->next;  // its counter is not used
}

void FaultScenario::install_anew() {
  ann_.peer->install_nonce = crypto::random_id<InstallNonce>();
  ann_.peer->next = 0;
  ann_.peer->receipt = {};
  start_session(ann_);
}

void FaultScenario::prove_a_rollback() {
  Peer& ann = *ann_.peer;
  const Epoch old = ann.session->epoch;
  const Credential& as = ann.credential;
  ann.receipt = make_receipt(fixture_.home.keyring().receipt_key(as.kid), old,
                             {as.name, as.generation, ann.install_nonce}, ann.next + 100);
  int rejected = 0;
  while (ann.session->epoch == old && rejected + unserved_ < kTries) {
    const RoundTrip exchange = ann.handshake();
    if (exchange.reply.status == 403)
      ++rejected;
    else if (exchange.status != "accepted")
      require_fault_for(exchange);
    else
      expect(ann.session->epoch != old, "the proof was ignored");
  }
  expect(rejected <= 1, "a new epoch was started and lost");
  expect(ann.session->epoch != old, "no new epoch");
  ann.receipt = ann.session->receipt;
}

void FaultScenario::replay(const std::string& handshake) {
  const int status = post(handshake).status;
  expect(status != 200, "a handshake was accepted twice");
}

}  // namespace sealpost::test
