// The same story told again and again, each time with another fault of the disk: each write, sync,
// open, truncation, deletion, lock and read fails once, the process dies at each of them, or the power
// goes, with a WAL and with a rollback journal.
#define BOOST_TEST_MODULE faults
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "crash/story.h"

namespace sealpost::test {
namespace {

struct Kind {
  Call call;
  Harm harm;
  Loss loss = Loss::kUnsynced;
  bool power_goes_next = false;
};

std::string name_of(const Kind& kind, int at) {
  std::string name = std::string(test::name_of(kind.call)) + " " + std::to_string(at) + " " + test::name_of(kind.harm);
  if (kind.harm == Harm::kStop || kind.harm == Harm::kTearStop) name += std::string(": ") + test::name_of(kind.loss);
  if (kind.power_goes_next) name += "; the power goes behind the next answer";
  return name;
}

// Every fault of a kind; how many there were.
int tell_all(Story& story, const Kind& kind, int step) {
  int told = 0;
  for (int at = std::getenv("AT") ? std::atoi(std::getenv("AT")) : 1;; at += step) {
    std::vector<std::string> complaints;
    const Twist twist{FaultyDisk::Plan{kind.call, kind.harm, at}, kind.loss, kind.power_goes_next, static_cast<unsigned>(at)};
    const bool struck = story.tell(twist, complaints);
    for (const std::string& one : complaints) BOOST_ERROR(name_of(kind, at) + ": " + one);
    if (!struck) return told;
    ++told;
  }
}

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const Call call : kCalls) {
    for (const bool next : {false, true}) {
      all.push_back({call, Harm::kFail, Loss::kUnsynced, next});
      if (call == Call::kWrite) {
        all.push_back({call, Harm::kFull, Loss::kUnsynced, next});
        all.push_back({call, Harm::kTear, Loss::kUnsynced, next});
      }
      if (call == Call::kLock) all.push_back({call, Harm::kBusy, Loss::kUnsynced, next});
      if (call == Call::kWrite || call == Call::kSync || call==Call::kDelete || call==Call::kTruncate) {
        all.push_back({call, Harm::kStop, Loss::kNothing, next});
      }
    }
    if (call == Call::kWrite || call == Call::kSync || call==Call::kDelete || call==Call::kTruncate) {
      all.push_back({call, Harm::kStop, Loss::kUnsynced});
      all.push_back({call, Harm::kStop, Loss::kSome});
    }
    if (call == Call::kWrite) {
      for (const Loss loss : {Loss::kNothing, Loss::kUnsynced, Loss::kSome}) all.push_back({call, Harm::kTearStop, loss});
    }
  }
  return all;
}

void tell_everything() {
  Story story;
  const int step = std::getenv("STEP") ? std::atoi(std::getenv("STEP")) : 1;
  for (const Kind& kind : kinds()) {
    if (std::getenv("ONLY") && name_of(kind, 0).find(std::getenv("ONLY")) == std::string::npos) continue;
    const auto start = std::chrono::steady_clock::now();
    const int told = tell_all(story, kind, step);
    BOOST_TEST(told > 0);
    if (std::getenv("VERBOSE")) std::fprintf(stderr, "%s: %d, %ld ms\n", name_of(kind, 0).c_str(), told, (long)std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now()-start).count());
  }
}

BOOST_AUTO_TEST_CASE(without_a_fault_all_is_well) {
  Story story;
  std::vector<std::string> complaints;
  BOOST_TEST(!story.tell({}, complaints));
  for (const std::string& one : complaints) BOOST_ERROR(one);
}

BOOST_AUTO_TEST_CASE(every_fault_of_a_local_disk) { tell_everything(); }

BOOST_AUTO_TEST_CASE(every_fault_of_a_network_disk) {
  const NetworkDisk network;
  tell_everything();
}

}  // namespace
}  // namespace sealpost::test
