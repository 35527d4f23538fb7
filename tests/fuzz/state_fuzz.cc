// A client's state: a file that can be read is written again as the same bytes.  The sum at its
// end, which nobody hits by chance, is set right here.
#include "client/state.h"
#include "crypto/primitives.h"
#include "fuzz/fuzz.h"

namespace sealpost {
namespace {

constexpr std::string_view kMagic = "sealpost client state 1\n";

// The same by adding up sizes and looking at the bytes that are not free.
bool naive_is_state(ByteView content) {
  if (!text_of(content).starts_with(kMagic) || content.size() < kMagic.size() + 17) return false;
  const ByteView fields = content.subspan(kMagic.size() + 16);
  const std::size_t name = fields[0];
  const std::size_t behind_name = 1 + 4 + 16 + 8 + 1 + 16 + 24 + 8 + 16 + 1;
  if (fields.size() < 1 + name + behind_name) return false;
  const ByteView rest = fields.subspan(1 + name);
  const std::uint8_t leave = rest[29];
  const std::uint8_t session = rest[behind_name - 1];
  const bool generation = rest[1] != 0 || rest[2] != 0 || rest[3] != 0 || rest[4] != 0;
  const bool beyond = rest[21] > 0x80 || (rest[21] == 0x80 &&
                                          std::any_of(rest.begin() + 22, rest.begin() + 29,
                                                      [](std::uint8_t byte) { return byte != 0; }));
  if (leave > 1 || session > 1 || rest[0] == 0 || !generation || beyond) return false;
  if (!is_name(text_of(fields.subspan(1, name)))) return false;
  const std::size_t size = behind_name + (session == 1 ? 16 + 64 + 8 + 4 + 1 : 0);
  return rest.size() == size && (session == 0 || rest.back() <= 1);
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const ByteView input(data, size);
  if (const auto whole = ClientState::decode(input)) {
    fuzz::require(fuzz::same(whole->encode(), input), "a whole file is written again as it was");
  }
  const Bytes file = Writer().put(input).put(crypto::sha256({input})).take();
  const auto state = ClientState::decode(file);
  fuzz::require(static_cast<bool>(state) == naive_is_state(input), "both take the same files");
  if (state) fuzz::require(fuzz::same(state->encode(), file), "written again, it is the same");
  for (std::size_t i = 0; i < 32; ++i) {
    Bytes changed = file;
    changed[size + i] ^= 1;
    fuzz::require(!ClientState::decode(changed), "a wrong sum is found out");
  }
  return 0;
}
