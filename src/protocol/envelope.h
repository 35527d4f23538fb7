// The form a request's body is: up to three fields, of which encrypted_message is always there
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
  std::string name;  // empty if the field was left out
  std::optional<KeyUseHmac> key_use_hmac;
  Bytes message;  // encrypted_message, decoded: at least one byte

  // Refuses every body but the form, byte for byte; the reason is "form".
  [[nodiscard]] static Result<Envelope, Reason> parse(std::string_view body);

  // The body that parse() reads back.
  [[nodiscard]] std::string form() const;

  // What the seal binds of the fields in clear: lp8(name or empty) lp8(key_use_hmac or empty).
  [[nodiscard]] Bytes clear() const;

  // Which kind of message it claims to be: its first byte.
  [[nodiscard]] std::uint8_t kind() const { return message.front(); }
};

constexpr std::uint8_t kHandshakeKind = 0x11;
constexpr std::uint8_t kRecordKind = 0x12;

// The media type of a request: compared without case up to ';', trimmed of spaces and tabs.
[[nodiscard]] bool is_form_type(std::string_view content_type);

}  // namespace sealpost
