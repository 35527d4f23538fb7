#include "protocol/credential.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace sealpost {
namespace {

// All its strings erase themselves, and so does the parser's buffer.
using Json = nlohmann::basic_json<nlohmann::ordered_map, std::vector, crypto::SecretText>;

[[noreturn]] void reject(const std::string& what) {
  throw Fault("this is not a sealpost credential: " + what +
              "; ask the operator for the file that `sealpost client add` wrote");
}

const crypto::SecretText& text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) reject(std::string(key) + " is not a text");
  return found->get_ref<const crypto::SecretText&>();
}

std::uint64_t number_at(const Json& json, const char* key, std::uint64_t max) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned() || *found < 1U || *found > max) {
    reject(std::string(key) + " is not a number from 1 to " + std::to_string(max));
  }
  return found->get<std::uint64_t>();
}

void decode_at(const Json& json, const char* key, std::span<std::uint8_t> out) {
  if (!decode_base64url(text_at(json, key), out)) {
    reject(std::string(key) + " is not base64url of " + std::to_string(out.size()) + " bytes");
  }
}

Claims claims_at(const Json& json) {
  const auto found = json.find("claims");
  if (found == json.end() || !found->is_object()) reject("claims is not a JSON object");
  Claims::Map values;
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) reject("a claim's value is not a text");
    values.emplace(key, value.get_ref<const crypto::SecretText&>());
  }
  Result<Claims, ClaimsError> claims = Claims::of(std::move(values));
  if (!claims) reject(std::string(sentence_of(claims.error())));
  return std::move(*claims);
}

}  // namespace

bool is_gateway_url(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!url.starts_with(scheme)) continue;
    const std::string_view rest = url.substr(scheme.size());
    return rest.find_first_of("/?#") != 0 && !rest.empty() &&
           std::all_of(rest.begin(), rest.end(),
                       [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; });
  }
  return false;
}

Credential Credential::issue(const Keyring& keyring, Kid kid, std::string name,
                             Generation generation, Claims claims, std::string url) {
  ClientKey client_key = keyring.client_key(kid, name, generation);
  const KeyUseHmac key_use_hmac = keyring.key_use_hmac(kid, name, generation, claims.encode());
  return {.url = std::move(url),
          .server_id = keyring.server_id(),
          .name = std::move(name),
          .kid = kid,
          .generation = generation,
          .client_key = std::move(client_key),
          .claims = std::move(claims),
          .key_use_hmac = key_use_hmac};
}

Credential Credential::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) reject("it is not a JSON object");
  if (number_at(json, "sealpost", 255) != 1) reject("its version is not 1");
  Credential credential{
      .url = std::string(text_at(json, "url")),
      .server_id = {},
      .name = std::string(text_at(json, "name")),
      .kid = static_cast<Kid>(number_at(json, "kid", 255)),
      .generation = static_cast<Generation>(number_at(json, "generation", 0xffffffff)),
      .client_key = {},
      .claims = claims_at(json),
      .key_use_hmac = {},
  };
  if (!credential.url.empty() && !is_gateway_url(credential.url)) {
    reject("url is not http://HOST/... or https://HOST/..., without blanks");
  }
  if (!is_name(credential.name)) reject("name is not a client's name");
  decode_at(json, "server_id", credential.server_id.bytes);
  decode_at(json, "client_key", credential.client_key.fill());
  decode_at(json, "key_use_hmac", credential.key_use_hmac.bytes);
  return credential;
}

crypto::SecretText Credential::json() const {
  Json claim_values = Json::object();
  for (const auto& [key, value] : claims.values()) claim_values[crypto::SecretText(key)] = value;
  const Json json = {
      {"sealpost", 1},
      {"url", url},
      {"server_id", base64url(server_id)},
      {"name", name},
      {"kid", kid},
      {"generation", generation},
      {"client_key", base64url<crypto::SecretText>(client_key.reveal())},
      {"claims", claim_values},
      {"key_use_hmac", base64url(key_use_hmac)},
  };
  return json.dump();
}

}  // namespace sealpost
