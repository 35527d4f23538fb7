// A credential's JSON: whatever can be read is written and read again as the same; a second reader,
// which asks the JSON for one value after the other, takes the same texts; and nothing but Fault is
// thrown.
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "fuzz/fuzz.h"
#include "protocol/credential.h"

namespace sealpost {
namespace {

using fuzz::require;
using Json = nlohmann::ordered_json;

std::optional<Credential> parse(std::string_view text) {
  try {
    return Credential::parse(text);
  } catch (const Fault& fault) {
    require(std::string_view(fault.what()).starts_with("this is not a sealpost credential: "),
            "it says what is wrong");
    return std::nullopt;
  }
}

bool is_number(const Json& json, const char* key, std::uint64_t most) {
  if (!json.contains(key) || !json[key].is_number_unsigned()) return false;
  const auto number = json[key].get<std::uint64_t>();
  return number >= 1 && number <= most;
}

bool is_bytes(const Json& json, const char* key, std::size_t size) {
  if (!json.contains(key) || !json[key].is_string()) return false;
  const auto bytes = from_base64url(json[key].get<std::string>());
  return bytes && bytes->size() == size;
}

bool is_url(const std::string& url) {
  if (url.empty()) return true;
  const std::size_t host = url.starts_with("https://") ? 8 : 7;
  if (!url.starts_with("http://") && !url.starts_with("https://")) return false;
  if (url.size() == host || std::string("/?#").find(url[host]) != std::string::npos) return false;
  return std::all_of(url.begin() + static_cast<std::ptrdiff_t>(host), url.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

bool has_claims(const Json& json) {
  if (!json.contains("claims") || !json["claims"].is_object()) return false;
  Claims::Map claims;
  for (const auto& [key, value] : json["claims"].items()) {
    if (!value.is_string()) return false;
    claims[key] = value.get<std::string>();
  }
  return static_cast<bool>(Claims::of(claims));
}

bool naive_is_credential(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !is_number(json, "sealpost", 1)) return false;
  for (const char* key : {"url", "name"}) {
    if (!json.contains(key) || !json[key].is_string()) return false;
  }
  return is_url(json["url"]) && is_name(json["name"].get<std::string>()) &&
         is_number(json, "kid", 255) && is_number(json, "generation", 0xffffffff) &&
         has_claims(json) && is_bytes(json, "server_id", 16) && is_bytes(json, "client_key", 16) &&
         is_bytes(json, "key_use_hmac", 32);
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto credential = parse(text);
  require(credential.has_value() == naive_is_credential(text), "both take the same texts");
  if (!credential) return 0;
  const crypto::SecretText json = credential->json();
  const auto again = parse(json);
  require(again.has_value(), "what is written is read");
  require(again->json() == json, "and is the same");
  require(again->url == credential->url && again->name == credential->name &&
              again->kid == credential->kid && again->generation == credential->generation &&
              again->server_id == credential->server_id &&
              again->client_key == credential->client_key &&
              again->claims.values() == credential->claims.values() &&
              again->key_use_hmac == credential->key_use_hmac,
          "in every field");
  require(json.find('\n') == crypto::SecretText::npos, "on one line");
  return 0;
}
