// The form in a request's body: up to three fields, of which encrypted_message is required
// (PROTOCOL 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/ids.h"
#include "protocol/reason.h"

namespace sealpost {

struct Envelope {
  std::string name;  // empty if the field is missing
  std::optional<KeyUseHmac> key_use_hmac;
  Bytes message;  // encrypted_message, decoded: at least one byte

  // Rejects with kForm every body that is not exactly the form.
  [[nodiscard]] static Result<Envelope, Reason> parse(std::string_view body);

  // Returns the body: parse(form()) is the same envelope.
  [[nodiscard]] std::string form() const;

  // The fields in clear as associated data of the seal: lp8(name or empty) lp8(key_use_hmac or
  // empty).
  [[nodiscard]] Bytes clear() const;

  // The first byte, which says which kind of message it is.
  [[nodiscard]] std::uint8_t kind() const { return message.front(); }
};

constexpr std::uint8_t kHandshakeKind = 0x11;
constexpr std::uint8_t kRecordKind = 0x12;

// Whether a Content-Type is application/x-www-form-urlencoded.  Ignores case, parameters after ';',
// spaces and tabs.
[[nodiscard]] bool is_form_type(std::string_view content_type);

}  // namespace sealpost
