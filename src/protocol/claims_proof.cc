#include "protocol/claims_proof.h"

namespace sealpost {

Result<ClaimsProof, Reason> ClaimsProof::read(Reader& reader,
                                              const std::optional<KeyUseHmac>& in_clear) {
  const Receipt receipt = Receipt::read(reader);
  const ByteView block = reader.lp16();
  Reader inside(reader.lp8());
  if (!reader.complete()) return Reason::kShort;

  KeyUseHmac key_use_hmac{};
  if (in_clear) {
    if (!inside.expect_end()) return Reason::kTwoKeyUseHmacs;
    key_use_hmac = *in_clear;
  } else {
    key_use_hmac = inside.id<KeyUseHmac>();
    if (!inside.expect_end()) return Reason::kNoKeyUseHmac;
  }
  Result<Claims, ClaimsError> claims = Claims::decode(block);
  if (!claims) return Reason::kClaimsBlock;
  return ClaimsProof{receipt, std::move(*claims), key_use_hmac};
}

void ClaimsProof::write(Writer& writer, bool hmac_in_clear) const {
  receipt.write(writer);
  writer.lp16(claims.encode()).lp8(hmac_in_clear ? ByteView() : ByteView(key_use_hmac));
}

bool was_issued(const Keyring& keyring, Kid kid, const Installation& to, const ClaimsProof& proof) {
  const KeyUseHmac issued =
      keyring.key_use_hmac(kid, to.name, to.generation, proof.claims.encode());
  return crypto::equal(issued, proof.key_use_hmac);
}

}  // namespace sealpost
