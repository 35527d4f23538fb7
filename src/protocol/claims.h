// What a client was issued besides its name: its role and other claims.  One set of claims has
// exactly one encoding, so that the MAC over it means one thing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace sealpost {

// What is wrong with claims, or with their encoding.
enum class ClaimsError {
  kKey,         // a key is not 1-32 of a-z 0-9 _
  kValue,       // a value is not 0-255 bytes of UTF-8 without control characters
  kTime,        // not_before or not_after is no number of Unix seconds
  kNoRole,      // the role is missing or empty
  kTooMany,     // more than 16 claims
  kTooLarge,    // the encoding takes more than 1,024 bytes
  kOrder,       // the encoding's keys do not ascend
  kWrongLength  // the encoding is cut off, or has bytes behind its end
};
// "the role is missing or empty": for an error message.
[[nodiscard]] std::string_view sentence_of(ClaimsError error);

class Claims {
 public:
  // Keys in ascending byte order, as the encoding wants them.
  using Map = std::map<std::string, std::string, std::less<>>;

  // Refuses what PROTOCOL 2 does: a bad key or value, no role, too many, too large, a time that is
  // not a number.
  [[nodiscard]] static Result<Claims, ClaimsError> of(Map values);

  // Refuses any bytes that encode() would not give.
  [[nodiscard]] static Result<Claims, ClaimsError> decode(ByteView block);

  // The claims block: u8 count, then lp8(key) lp8(value) for each; at most 1,024 bytes.
  [[nodiscard]] Bytes encode() const;

  // {"role":"sensor"}: for people, the database and handlers; never for a MAC.
  [[nodiscard]] std::string json() const;

  [[nodiscard]] const Map& values() const { return values_; }
  [[nodiscard]] const std::string& role() const { return values_.find("role")->second; }
  // not_before <= now < not_after, where given; both are whole seconds.
  [[nodiscard]] bool valid_at(Time now) const;
  // When not_after comes, if there is one.
  [[nodiscard]] std::optional<Time> end() const;

 private:
  explicit Claims(Map values) : values_(std::move(values)) {}

  Map values_;
};

}  // namespace sealpost
