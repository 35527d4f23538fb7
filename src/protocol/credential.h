// What a client is given once, on paper or by a safe way, and needs for ever after.
#pragma once

#include <string>
#include <string_view>

#include "protocol/claims.h"
#include "protocol/envelope.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"

namespace sealpost {

// Whether a gateway can be at it: http:// or https://, a host, and no blank or control character.
[[nodiscard]] bool is_gateway_url(std::string_view url);

struct Credential {
  std::string url;  // where the gateway is; empty if the operator has not said
  ServerId server_id;
  std::string name;
  Kid kid;
  Generation generation;
  ClientKey client_key;
  Claims claims;
  KeyUseHmac key_use_hmac;

  // Derives it all from the master key `kid` (PROTOCOL 3).
  [[nodiscard]] static Credential issue(const Keyring& keyring, Kid kid, std::string name,
                                        Generation generation, Claims claims, std::string url);

  // Reads the JSON form.  Throws Fault, with what is wrong in a sentence, for any other text.
  [[nodiscard]] static Credential parse(std::string_view json);

  // {"sealpost":1,"url":...,"server_id":...,"name":...,"kid":...,"generation":...,"client_key":...,
  // "claims":{"role":...},"key_use_hmac":...}, one line; binary values are base64url.
  [[nodiscard]] crypto::SecretText json() const;
};

}  // namespace sealpost
