// The same scenario runs again and again, each time with another fault of the disk: a write, sync,
// open, truncation, deletion, lock or read fails, the process dies there, or the power fails; with
// a WAL, as on a local disk, and with a rollback journal, as on a network's.
//
// With SEALPOST_EVERY_FAULT set every call is the faulty one in turn, for every kind of fault, in
// some minutes; without, each kind takes every tenth or second of the calls.
#define BOOST_TEST_MODULE faults
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "crash/fault_scenario.h"
#include "crash/network_disk.h"

namespace sealpost::test {
namespace {

// No file is really synced, so a file system in memory is enough.
struct InMemory {
  InMemory() {
    const char* memory = "/dev/shm";
    if (access(memory, W_OK) == 0) setenv("TMPDIR", memory, 1);
  }
};
BOOST_TEST_GLOBAL_FIXTURE(InMemory);

struct Kind {
  Call call;
  Harm harm;
  Loss loss = Loss::kUnsynced;
  bool power_fails_next = false;
};

bool stops(Harm harm) { return harm == Harm::kStop || harm == Harm::kTearStop; }

std::string name_of(const Kind& kind, int at) {
  std::string name = std::string(test::name_of(kind.call)) + " " + std::to_string(at) + " " +
                     test::name_of(kind.harm);
  if (stops(kind.harm)) name += std::string(", ") + test::name_of(kind.loss);
  if (kind.power_fails_next) name += ", the power fails behind the next answer";
  return name;
}

// The faults of a call after which the machine continues.
std::vector<Harm> harms_of(Call call) {
  if (call == Call::kWrite) return {Harm::kFail, Harm::kFull, Harm::kTear};
  if (call == Call::kSync) return {Harm::kFail, Harm::kForget};
  if (call == Call::kLock) return {Harm::kFail, Harm::kBusy};
  return {Harm::kFail};
}

// The faults of a call that stop the process or the machine.  Only calls that change the disk
// matter.
std::vector<Harm> stops_of(Call call) {
  if (call == Call::kWrite) return {Harm::kStop, Harm::kTearStop};
  if (call == Call::kOpen || call == Call::kLock || call == Call::kRead) return {};
  return {Harm::kStop};
}

std::vector<Kind> kinds_of(Call call) {
  std::vector<Kind> all;
  for (const Harm harm : harms_of(call)) {
    for (const bool next : {false, true}) all.push_back({call, harm, Loss::kUnsynced, next});
  }
  for (const Harm harm : stops_of(call)) {
    for (const Loss loss : {Loss::kNothing, Loss::kUnsynced, Loss::kSome}) {
      all.push_back({call, harm, loss});
    }
    all.push_back({call, harm, Loss::kNothing, true});
  }
  return all;
}

// Runs with a fault at every step-th call, and returns how many runs there were.
int run_every_step(FaultScenario& scenario, const Kind& kind, int first, int step) {
  int runs = 0;
  for (int at = first;; at += step) {
    const ScenarioFault fault{FaultyDisk::Plan{kind.call, kind.harm, at}, kind.loss,
                              kind.power_fails_next, static_cast<unsigned>(at)};
    std::vector<std::string> errors;
    const bool faulted = scenario.run(fault, errors);
    for (const std::string& one : errors) BOOST_ERROR(name_of(kind, at) + ": " + one);
    BOOST_REQUIRE(errors.empty());  // otherwise a broken gateway would need hours
    if (!faulted) return runs;
    ++runs;
  }
}

// There are hundreds of writes, locks and reads, and some dozen of all else.
int step_of(Call call) {
  if (std::getenv("SEALPOST_EVERY_FAULT") != nullptr) return 1;
  return call == Call::kWrite || call == Call::kLock || call == Call::kRead ? 10 : 2;
}

void run_with_faults_of(Call call, bool has_such_calls = true) {
  FaultScenario scenario;
  const int step = step_of(call);
  int runs = 0;
  int turn = 0;
  for (const Kind& kind : kinds_of(call))
    runs += run_every_step(scenario, kind, 1 + turn++ % step, step);
  BOOST_TEST((runs > 0) == has_such_calls, test::name_of(call));
  BOOST_TEST_MESSAGE(test::name_of(call) << ": " << runs << " scenarios");
}

BOOST_AUTO_TEST_CASE(scenario_succeeds_without_fault) {
  FaultScenario scenario;
  std::vector<std::string> errors;
  BOOST_TEST(!scenario.run({}, errors));
  for (const std::string& one : errors) BOOST_ERROR(one);
}

BOOST_AUTO_TEST_CASE(wal_survives_write_faults) { run_with_faults_of(Call::kWrite); }
BOOST_AUTO_TEST_CASE(wal_survives_sync_faults) { run_with_faults_of(Call::kSync); }
BOOST_AUTO_TEST_CASE(wal_survives_open_truncate_lock_and_read_faults) {
  for (const Call call : {Call::kOpen, Call::kTruncate, Call::kLock, Call::kRead})
    run_with_faults_of(call);
  run_with_faults_of(Call::kDelete, false);
}

BOOST_AUTO_TEST_CASE(rollback_journal_survives_write_faults) {
  const NetworkDisk network;
  run_with_faults_of(Call::kWrite);
}
BOOST_AUTO_TEST_CASE(rollback_journal_survives_sync_faults) {
  const NetworkDisk network;
  run_with_faults_of(Call::kSync);
}
BOOST_AUTO_TEST_CASE(rollback_journal_survives_open_delete_lock_and_read_faults) {
  const NetworkDisk network;
  for (const Call call : {Call::kOpen, Call::kDelete, Call::kLock, Call::kRead})
    run_with_faults_of(call);
  run_with_faults_of(Call::kTruncate, false);
}

}  // namespace
}  // namespace sealpost::test
