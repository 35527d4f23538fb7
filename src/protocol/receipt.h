// A receipt proves to the server how far it has counted an installation.  If a client shows one
// that is above the database's count, the database is an old copy (PROTOCOL 6, 7).
#pragma once

#include "base/bytes.h"
#include "crypto/secret.h"
#include "protocol/ids.h"

namespace sealpost {

// `next` is the lowest counter above all used ones.  If it is 0 and the proof is zero, there is no
// receipt.
struct Receipt {
  std::uint64_t next = 0;
  ByteArray<16> proof{};

  static constexpr std::size_t kSize = 24;
  [[nodiscard]] static Receipt read(Reader& reader);
  void write(Writer& writer) const;

  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// With next = 0 nothing has been counted, and the result is no receipt.
[[nodiscard]] Receipt make_receipt(const crypto::Key& receipt_key, const Epoch& epoch,
                                   const Installation& installation, std::uint64_t next);

[[nodiscard]] bool is_genuine(const Receipt& receipt, const crypto::Key& receipt_key,
                              const Epoch& epoch, const Installation& installation);

}  // namespace sealpost
