// Receipts (PROTOCOL 6): read and written as they are, and genuine for nobody but whom they were
// given to.
#include "fuzz/fuzz.h"
#include "fuzz/keys.h"
#include "protocol/receipt.h"

namespace sealpost {
namespace {

using fuzz::require;

struct Holder {
  Epoch epoch;
  Installation installation;
};

Holder holder(fuzz::Choices& choices) {
  Holder holder{};
  holder.epoch.bytes.fill(choices.byte());
  holder.installation.nonce.bytes.fill(choices.byte());
  holder.installation.generation = static_cast<Generation>(choices.number());
  holder.installation.name = choices.text().substr(0, kNameMax);
  return holder;
}

bool same(const Holder& a, const Holder& b) {
  return a.epoch == b.epoch && a.installation.name == b.installation.name &&
         a.installation.generation == b.installation.generation &&
         a.installation.nonce == b.installation.nonce;
}

// HMAC-SHA-256 by its definition, over bytes put together by hand.
Bytes naive_proof(ByteView key, const Holder& to, std::uint64_t next) {
  std::string subject(to.epoch.bytes.begin(), to.epoch.bytes.end());
  subject += static_cast<char>(to.installation.name.size());
  subject += to.installation.name;
  for (int shift = 24; shift >= 0; shift -= 8)
    subject += static_cast<char>(to.installation.generation >> shift);
  subject.append(to.installation.nonce.bytes.begin(), to.installation.nonce.bytes.end());
  for (int shift = 56; shift >= 0; shift -= 8) subject += static_cast<char>(next >> shift);
  Bytes inner(64, 0x36);
  Bytes outer(64, 0x5c);
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  const auto mac = crypto::sha256({outer, crypto::sha256({inner, bytes_of(subject)})});
  return {mac.bytes.begin(), mac.bytes.begin() + 16};
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  const Holder one = holder(choices);
  const Holder other = holder(choices);
  const std::uint64_t next = choices.number();
  const crypto::Key& key = fuzz::keyring().receipt_key(1);

  const Receipt given = make_receipt(key, one.epoch, one.installation, next);
  require(given.next == next, "it says how far");
  const Bytes proof = next == 0 ? Bytes(16) : naive_proof(key.reveal(), one, next);
  require(fuzz::same(given.proof, proof), "and proves it as PROTOCOL 6 says");
  require(is_genuine(given, key, one.epoch, one.installation) == (next != 0), "to its holder");
  require(
      is_genuine(given, key, other.epoch, other.installation) == (next != 0 && same(one, other)),
      "and to nobody else");

  const Bytes bytes = choices.rest();
  Reader reader(bytes);
  const Receipt read = Receipt::read(reader);
  require(reader.complete() == (bytes.size() >= Receipt::kSize), "24 bytes are a receipt");
  if (!reader.complete()) return 0;
  Writer again;
  read.write(again);
  require(fuzz::same(again.view(), ByteView(bytes).first(Receipt::kSize)),
          "written as it was read");
  const bool genuine = read == make_receipt(key, one.epoch, one.installation, read.next);
  require(is_genuine(read, key, one.epoch, one.installation) == (genuine && read.next != 0),
          "no other is genuine");
  return 0;
}
