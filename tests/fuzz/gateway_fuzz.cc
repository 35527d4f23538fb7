// Fuzzes the whole gateway, with every key in hand: the clients', the claims', the receipts' and
// the sessions'. The input is a list of steps: handshakes and records with honest or made-up
// content, sent once, repeated or in a batch.  Between them time passes, the process restarts, or a
// client is renewed.  Every answer must be the one of gateway_model.h and must open.  Nothing may
// be written that the model does not allow.  At the end the database must hold exactly the counted
// messages.
#include "fuzz/gateway_run.h"

// This fuzzer does not test loss of power, and syncs would take most of its time.
extern "C" int fsync(int) { return 0; }
extern "C" int fdatasync(int) { return 0; }

namespace sealpost::fuzz {
namespace {

constexpr int kInputsPerFixture = 2000;  // a larger database would be too slow

FuzzFixture& shared_fixture() {
  static std::unique_ptr<FuzzFixture> shared_fixture;
  if (!shared_fixture || ++shared_fixture->inputs > kInputsPerFixture) {
    shared_fixture.reset();
    shared_fixture = std::make_unique<FuzzFixture>();
  }
  return *shared_fixture;
}

}  // namespace
}  // namespace sealpost::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost::fuzz;
  Choices choices({data, size});
  FuzzRun(shared_fixture(), choices).run();
  return 0;
}
