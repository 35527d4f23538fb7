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
#include "support/house.h"
#include "support/upstream.h"

namespace sealpost::test {

// What goes wrong, and when.
struct Twist {
  std::optional<FaultyDisk::Plan> plan;
  Loss loss = Loss::kUnsynced;  // where the plan is that all stops
  bool power_goes_next =
      false;  // once the next sealed answer after the fault has reached its client
  unsigned seed = 0;
};

class Story {
 public:
  Story();

  // Tells it from the start, and says whether it came to the fault.  Every promise that was
  // broken is added to `complaints`.
  bool tell(const Twist& twist, std::vector<std::string>& complaints);

 private:
  static constexpr int kTries = 5;  // more than one fault can cost
  static constexpr Milliseconds kLease = (WorkerPool::kQueue + 2) * kSecond;

  // What a client was told of a message.
  struct Told {
    Message message;
    InstallNonce install_nonce;
    std::string status;
    std::string reply;
  };
  struct Actor {
    std::string credential;  // as JSON
    std::optional<Peer> peer;
    std::vector<Told> told;
  };

  void begin(const Twist& twist);
  void talk();
  void check();

  // Parts of it.
  void send_batch();
  void cut_a_handler_short();
  void exceed_a_quota();
  void install_anew();
  void prove_a_rollback();
  void replay(const std::string& handshake);
  void checkpoint();
  void tidy();
  void claim_overdue();

  // A handshake, until there is a session; its form.
  std::string hello(Actor& who);
  // A message, until it is settled.
  void deliver(Actor& who, const std::string& body, const std::string& topic = "t");
  void deliver(Actor& who, const Message& message);
  static bool is_settled(const std::string& status);
  void tell_again(Actor& who, const Told& told);

  Reply carry(const std::string& form);
  // Whether the power was on all the while; where it was not, all is on again.
  bool has_power();
  void lose_power(Loss loss);
  void restart();
  void was_not_served(const Exchange& exchange);
  void expect(bool so, const std::string& what);

  FaultyDisk& disk_ = FaultyDisk::install();
  TestHouse house_;
  std::atomic<int> answers_ = 0;  // of the application, no two the same
  Upstream application_;
  std::string empty_;  // the database before anything has happened
  Time start_;
  Actor ann_;
  Actor bob_;

  Twist twist_;
  std::vector<std::string>* complaints_ = nullptr;
  int unserved_ = 0;
};

}  // namespace sealpost::test
