// A client's claims: its role and other properties that the operator has issued to it.  A set of
// claims has exactly one encoding, so a MAC over the encoding is a MAC over the claims.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace sealpost {

// What is wrong with claims or with their encoding.
enum class ClaimsError {
  kKey,         // a key is not 1-32 of a-z 0-9 _
  kValue,       // a value is not 0-255 bytes of UTF-8 without control characters
  kTime,        // not_before or not_after is not a number of Unix seconds
  kNoRole,      // the role is missing or empty
  kTooMany,     // more than 16 claims
  kTooLarge,    // the encoding takes more than 1,024 bytes
  kOrder,       // the keys in the encoding are not ascending
  kWrongLength  // the encoding is incomplete or has extra bytes
};
// Such as "the role is missing or empty", for an error message.
[[nodiscard]] std::string_view sentence_of(ClaimsError error);

class Claims {
 public:
  // Its keys are in ascending byte order, as in the encoding.
  using Map = std::map<std::string, std::string, std::less<>>;

  // Checks the rules of PROTOCOL 2.
  [[nodiscard]] static Result<Claims, ClaimsError> of(Map values);

  // Rejects all bytes but those that encode() returns.
  [[nodiscard]] static Result<Claims, ClaimsError> decode(ByteView block);

  // Returns the claims block: u8 count, then lp8(key) lp8(value) for each claim; at most 1,024
  // bytes.
  [[nodiscard]] Bytes encode() const;

  // {"role":"sensor"}: for output, the database and handlers, but never for a MAC.
  [[nodiscard]] std::string json() const;

  [[nodiscard]] const Map& values() const { return values_; }
  [[nodiscard]] const std::string& role() const { return values_.find("role")->second; }
  // Whether not_before <= now < not_after, as far as they are given.  Both are whole seconds.
  [[nodiscard]] bool valid_at(Time now) const;
  // The time of not_after, or nothing without one.
  [[nodiscard]] std::optional<Time> end() const;

 private:
  explicit Claims(Map values) : values_(std::move(values)) {}

  Map values_;
};

}  // namespace sealpost
