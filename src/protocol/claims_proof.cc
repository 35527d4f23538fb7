#include "protocol/claims_proof.h"

namespace sealpost {

Result<ClaimsProof> ClaimsProof::read(Reader& reader, const std::optional<KeyUseHmac>& in_clear) {
  const Receipt receipt = Receipt::read(reader);
  const ByteView block = reader.lp16();
  Reader inside(reader.lp8());
  if (!reader.complete()) return Rejection{"short"};

  KeyUseHmac key_use_hmac{};
  if (in_clear) {
    if (!inside.expect_end()) return Rejection{"two_key_use_hmacs"};
    key_use_hmac = *in_clear;
  } else {
    key_use_hmac = inside.array<32>();
    if (!inside.expect_end()) return Rejection{"no_key_use_hmac"};
  }
  Result<Claims> claims = Claims::decode(block);
  if (!claims) return Rejection{"claims_block"};
  return ClaimsProof{receipt, std::move(*claims), key_use_hmac};
}

void ClaimsProof::write(Writer& writer, bool hmac_in_clear) const {
  receipt.write(writer);
  writer.lp16(claims.encode()).lp8(hmac_in_clear ? ByteView() : ByteView(key_use_hmac));
}

bool was_issued(const Keyring& keyring, Kid kid, const Installation& to,
                const ClaimsProof& statement) {
  const KeyUseHmac issued =
      keyring.key_use_hmac(kid, to.name, to.generation, statement.claims.encode());
  return crypto::equal(issued, statement.key_use_hmac);
}

}  // namespace sealpost
