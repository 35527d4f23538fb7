#include "protocol/receipt.h"

#include "crypto/primitives.h"

namespace sealpost {

Receipt Receipt::read(Reader& reader) {
  Receipt receipt;
  receipt.next = reader.u64();
  receipt.proof = reader.array<16>();
  return receipt;
}

void Receipt::write(Writer& writer) const { writer.u64(next).put(proof); }

Receipt make_receipt(const crypto::Key& receipt_key, const Epoch& epoch,
                     const Installation& installation, std::uint64_t next) {
  Receipt receipt;
  if (next == 0) return receipt;
  receipt.next = next;
  Writer subject;
  subject.put(epoch).lp8(installation.name).u32(installation.generation).put(installation.nonce);
  subject.u64(next);
  const crypto::Digest mac = crypto::hmac_sha256(receipt_key.reveal(), {subject.view()});
  std::copy_n(mac.bytes.begin(), receipt.proof.size(), receipt.proof.begin());
  return receipt;
}

bool is_genuine(const Receipt& receipt, const crypto::Key& receipt_key, const Epoch& epoch,
                const Installation& installation) {
  if (receipt.next == 0) return false;
  const Receipt ours = make_receipt(receipt_key, epoch, installation, receipt.next);
  return crypto::equal(ours.proof, receipt.proof);
}

}  // namespace sealpost
