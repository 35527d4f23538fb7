// What happens at a gateway in a few minutes, small enough to be told some thousand times, each
// time with another fault of the disk: installations, messages alone and in a batch, handlers and
// what they answer, checkpoints, a quota, the proof of a rollback.  Its clients behave: they ask
// until they are told, and remember what they were told.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "crash/fault_vfs.h"
#include "support/gateway_fixture.h"
#include "support/web_application.h"

namespace sealpost::test {

// What goes wrong, and when.
struct ScenarioFault {
  std::optional<FaultyDisk::Plan> plan;
  Loss loss = Loss::kUnsynced;  // where the plan is that all stops
  bool power_fails_next =
      false;  // once the next sealed answer after the fault has reached its client
  unsigned seed = 0;
};

class FaultScenario {
 public:
  FaultScenario();

  // Tells it from the start, and says whether it came to the fault.  Every promise that was
  // broken is added to `errors`.
  bool run(const ScenarioFault& fault, std::vector<std::string>& errors);

 private:
  static constexpr int kTries = 5;  // more than one fault can cost
  static constexpr Milliseconds kLease = (WorkerPool::kQueue + 2) * kSecond;

  // What a client was told of a message.
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

  // Parts of it.
  void send_batch();
  void kill_gateway_during_handler();
  void exceed_a_quota();
  void install_anew();
  void prove_a_rollback();
  void replay(const std::string& handshake);
  void checkpoint();
  void tidy();
  void claim_overdue();

  // A handshake, until there is a session; its form.
  std::string start_session(ScenarioClient& who);
  // A message, until it is settled.
  void deliver(ScenarioClient& who, const std::string& body, const std::string& topic = "t");
  void deliver(ScenarioClient& who, const Message& message);
  static bool is_settled(const std::string& status);
  void expect_same_answer(ScenarioClient& who, const SettledMessage& told);

  Reply post(const std::string& form);
  // Whether the power was on all the while; where it was not, all is on again.
  bool has_power();
  void lose_power(Loss loss);
  void restart();
  void require_fault_for(const RoundTrip& exchange);
  void expect(bool so, const std::string& what);

  FaultyDisk& disk_ = FaultyDisk::install();
  GatewayFixture fixture_;
  std::atomic<int> answers_ = 0;  // of the application, no two the same
  WebApplication application_;
  std::string empty_;  // the database before anything has happened
  Time start_;
  ScenarioClient ann_;
  ScenarioClient bob_;

  ScenarioFault fault_;
  std::vector<std::string>* errors_ = nullptr;
  int unserved_ = 0;
};

}  // namespace sealpost::test
