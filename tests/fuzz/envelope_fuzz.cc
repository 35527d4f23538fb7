// The form (PROTOCOL 4) against a second parser, which cuts the body at every '&' and compares.
#include <map>

#include "base/encoding.h"
#include "fuzz/fuzz.h"
#include "protocol/envelope.h"

namespace sealpost {
namespace {

// base64url bit by bit.
std::optional<Bytes> naive_base64url(std::string_view text) {
  Bytes bytes;
  std::vector<bool> bits;
  for (const char c : text) {
    const std::size_t value = kBase64urlAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    for (int bit = 5; bit >= 0; --bit) bits.push_back((value >> bit & 1) != 0);
  }
  if (bits.size() % 8 >= 6) return std::nullopt;  // a character too many
  for (std::size_t i = bits.size() / 8 * 8; i < bits.size(); ++i) {
    if (bits[i]) return std::nullopt;
  }
  for (std::size_t i = 0; i + 8 <= bits.size(); i += 8) {
    int byte = 0;
    for (std::size_t bit = 0; bit < 8; ++bit) byte = byte * 2 + (bits[i + bit] ? 1 : 0);
    bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  return bytes;
}

std::optional<std::map<std::string, std::string>> naive_fields(const std::string& body) {
  std::map<std::string, std::string> fields;
  std::string rest = body + "&";
  while (!rest.empty()) {
    const std::string field = rest.substr(0, rest.find('&'));
    rest = rest.substr(field.size() + 1);
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos) return std::nullopt;
    if (!fields.emplace(field.substr(0, equals), field.substr(equals + 1)).second) {
      return std::nullopt;
    }
  }
  return fields;
}

std::optional<Envelope> naive_parse(const std::string& body) {
  const auto fields = naive_fields(body);
  if (!fields) return std::nullopt;
  Envelope envelope;
  for (const auto& [key, value] : *fields) {
    if (key == "name") {
      const std::string good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
      if (value.empty() || value.size() > 64) return std::nullopt;
      if (value.find_first_not_of(good) != std::string::npos) return std::nullopt;
      envelope.name = value;
    } else if (key == "key_use_hmac") {
      const auto bytes = naive_base64url(value);
      if (value.size() != 43 || !bytes) return std::nullopt;
      envelope.key_use_hmac.emplace();
      std::copy(bytes->begin(), bytes->end(), envelope.key_use_hmac->bytes.begin());
    } else if (key == "encrypted_message") {
      const auto bytes = naive_base64url(value);
      if (value.empty() || !bytes) return std::nullopt;
      envelope.message = *bytes;
    } else {
      return std::nullopt;
    }
  }
  if (!fields->contains("encrypted_message")) return std::nullopt;
  return envelope;
}

bool equal(const Envelope& a, const Envelope& b) {
  return a.name == b.name && a.key_use_hmac == b.key_use_hmac && a.message == b.message &&
         a.clear() == b.clear();
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto parsed = Envelope::parse(body);
  const auto naive = naive_parse(body);
  fuzz::require(static_cast<bool>(parsed) == naive.has_value(), "both parsers take the same forms");
  if (!parsed) return 0;
  fuzz::require(equal(*parsed, *naive), "both parsers read the same");
  const std::string form = parsed->form();
  fuzz::require(form.size() == body.size(), "one form, in another order at most");
  const auto again = Envelope::parse(form);
  fuzz::require(again && equal(*again, *parsed), "what is written is read back");
  return 0;
}
