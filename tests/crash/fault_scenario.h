// A few minutes of a gateway, small enough to run some thousand times, each time with another fault
// of the disk: handshakes, messages alone and in a batch, handlers, checkpoints, a quota, and the
// proof of a rollback.  Its clients send a message until it is settled, and keep its status.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "crash/fault_vfs.h"
#include "support/gateway_fixture.h"
#include "support/web_application.h"

namespace sealpost::test {

// The fault, and when it happens.
struct ScenarioFault {
  std::optional<FaultyDisk::Plan> plan;
  Loss loss = Loss::kUnsynced;    // if the fault stops the process or the machine
  bool power_fails_next = false;  // after the next sealed answer that follows the fault
  unsigned seed = 0;
};

class FaultScenario {
 public:
  FaultScenario();

  // Runs it from the start, and returns whether the fault happened.  Adds every broken promise to
  // `errors`.
  bool run(const ScenarioFault& fault, std::vector<std::string>& errors);

 private:
  static constexpr int kTries = 5;  // more than one fault can use up
  static constexpr Milliseconds kLease = (WorkerPool::kQueue + 2) * kSecond;

  // A message with the status that its client got.
  struct SettledMessage {
    Message message;
    InstallNonce install_nonce;
    std::string status;
    std::string reply;
  };
  struct ScenarioClient {
    std::string credential;  // as JSON
    std::optional<Peer> peer;
    std::vector<SettledMessage> settled;
  };

  void reset(const ScenarioFault& fault);
  void exchange_messages();
  void check();

  // The steps of the scenario.
  void send_batch();
  void kill_gateway_during_handler();
  void exceed_a_quota();
  void install_anew();
  void prove_a_rollback();
  void replay(const std::string& handshake);
  void checkpoint();
  void tidy();
  void claim_overdue();

  // Repeats a handshake until there is a session, and returns its form.
  std::string start_session(ScenarioClient& who);
  // Sends a message until it is settled.
  void deliver(ScenarioClient& who, const std::string& body, const std::string& topic = "t");
  void deliver(ScenarioClient& who, const Message& message);
  static bool is_settled(const std::string& status);
  void expect_same_answer(ScenarioClient& who, const SettledMessage& told);

  Reply post(const std::string& form);
  // Whether the power was on since the last call.  If not, turns everything on again.
  bool has_power();
  void lose_power(Loss loss);
  void restart();
  void require_fault_for(const RoundTrip& exchange);
  void expect(bool so, const std::string& what);

  FaultyDisk& disk_ = FaultyDisk::install();
  GatewayFixture fixture_;
  std::atomic<int> answers_ = 0;  // of the application; every answer is different
  WebApplication application_;
  std::string empty_;  // a copy of the database at the start
  Time start_;
  ScenarioClient ann_;
  ScenarioClient bob_;

  ScenarioFault fault_;
  std::vector<std::string>* errors_ = nullptr;
  int unserved_ = 0;
};

}  // namespace sealpost::test
