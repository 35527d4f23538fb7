#include "protocol/envelope.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace sealpost {
namespace {

constexpr std::array<std::string_view, 3> kFields{"name=", "key_use_hmac=", "encrypted_message="};
enum Field : std::size_t { kName, kKeyUseHmac, kMessage };

constexpr std::size_t kHmacCharacters = 43;

}  // namespace

Result<Envelope, Reason> Envelope::parse(std::string_view body) {
  std::array<std::optional<std::string_view>, kFields.size()> values;
  std::string_view rest = body;
  for (;;) {
    std::size_t field = 0;
    while (field < kFields.size() && !rest.starts_with(kFields[field])) ++field;
    if (field == kFields.size() || values[field]) return Reason::kForm;
    const std::size_t end = rest.find('&');
    values[field] = rest.substr(0, end).substr(kFields[field].size());
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);  // after an '&' another field must follow
  }

  Envelope envelope;
  if (values[kName]) {
    if (!is_name_field(*values[kName])) return Reason::kForm;
    envelope.name = *values[kName];
  }
  if (values[kKeyUseHmac]) {
    if (values[kKeyUseHmac]->size() != kHmacCharacters) return Reason::kForm;
    const auto hmac = from_base64url<KeyUseHmac::kSize>(*values[kKeyUseHmac]);
    if (!hmac) return Reason::kForm;
    envelope.key_use_hmac = KeyUseHmac{*hmac};
  }
  if (!values[kMessage] || values[kMessage]->empty()) return Reason::kForm;
  std::optional<Bytes> message = from_base64url(*values[kMessage]);
  if (!message) return Reason::kForm;
  envelope.message = std::move(*message);
  return envelope;
}

std::string Envelope::form() const {
  std::string body;
  if (!name.empty()) body.append(kFields[kName]).append(name).push_back('&');
  if (key_use_hmac)
    body.append(kFields[kKeyUseHmac]).append(base64url(*key_use_hmac)).push_back('&');
  return body.append(kFields[kMessage]).append(base64url(message));
}

Bytes Envelope::clear() const {
  return Writer().lp8(name).lp8(key_use_hmac ? ByteView(*key_use_hmac) : ByteView()).take();
}

bool is_form_type(std::string_view content_type) {
  constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  content_type = content_type.substr(0, content_type.find(';'));
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!content_type.empty() && blank(content_type.front())) content_type.remove_prefix(1);
  while (!content_type.empty() && blank(content_type.back())) content_type.remove_suffix(1);
  return std::equal(
      content_type.begin(), content_type.end(), kForm.begin(), kForm.end(),
      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

}  // namespace sealpost
