#include "protocol/statement.h"

namespace sealpost {

Result<Statement> Statement::read(Reader& reader, const std::optional<KeyUseHmac>& in_clear) {
  const Receipt receipt = Receipt::read(reader);
  const ByteView block = reader.lp16();
  Reader inside(reader.lp8());
  if (!reader.complete()) return Refusal{"short"};

  KeyUseHmac key_use_hmac{};
  if (in_clear) {
    if (!inside.expect_end()) return Refusal{"two_key_use_hmacs"};
    key_use_hmac = *in_clear;
  } else {
    key_use_hmac = inside.array<32>();
    if (!inside.expect_end()) return Refusal{"no_key_use_hmac"};
  }
  Result<Claims> claims = Claims::decode(block);
  if (!claims) return Refusal{"claims_block"};
  return Statement{receipt, std::move(*claims), key_use_hmac};
}

void Statement::write(Writer& writer, bool hmac_in_clear) const {
  receipt.write(writer);
  writer.lp16(claims.encode()).lp8(hmac_in_clear ? ByteView() : ByteView(key_use_hmac));
}

bool was_issued(const Keyring& keyring, Kid kid, const Installation& to,
                const Statement& statement) {
  const KeyUseHmac issued =
      keyring.key_use_hmac(kid, to.name, to.generation, statement.claims.encode());
  return crypto::equal(issued, statement.key_use_hmac);
}

}  // namespace sealpost
