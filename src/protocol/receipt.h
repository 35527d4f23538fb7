// A receipt is the server's proof, in the client's hands, of how far it has counted an
// installation: whoever shows one above what the database knows proves that the database is an old
// copy (PROTOCOL 6, 7).
#pragma once

#include "base/bytes.h"
#include "crypto/secret.h"
#include "protocol/ids.h"

namespace sealpost {

// `next` is the lowest counter above all used ones; 0, and a zero proof, is "no receipt".
struct Receipt {
  std::uint64_t next = 0;
  ByteArray<16> proof{};

  static constexpr std::size_t kSize = 24;
  [[nodiscard]] static Receipt read(Reader& reader);
  void write(Writer& writer) const;

  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// No receipt for next = 0: nothing has been counted.
[[nodiscard]] Receipt make_receipt(const crypto::Key& receipt_key, const Epoch& epoch,
                                   const Installation& installation, std::uint64_t next);

[[nodiscard]] bool is_genuine(const Receipt& receipt, const crypto::Key& receipt_key,
                              const Epoch& epoch, const Installation& installation);

}  // namespace sealpost
