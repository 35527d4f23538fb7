// The credential that the operator gives a client over a secure channel.
#pragma once

#include <string>
#include <string_view>

#include "protocol/claims.h"
#include "protocol/envelope.h"
#include "protocol/ids.h"
#include "protocol/keyring.h"

namespace sealpost {

// Whether a URL is http:// or https:// with a host, and without blanks and control characters.
[[nodiscard]] bool is_gateway_url(std::string_view url);

struct Credential {
  std::string url;  // of the gateway; empty if the operator has not set it
  ServerId server_id;
  std::string name;
  Kid kid;
  Generation generation;
  ClientKey client_key;
  Claims claims;
  KeyUseHmac key_use_hmac;

  // Derives the keys from the master key `kid` (PROTOCOL 3).  Throws Fault if the keyring has no
  // such key.
  [[nodiscard]] static Credential issue(const Keyring& keyring, Kid kid, std::string name,
                                        Generation generation, Claims claims, std::string url);

  // Reads the JSON form.  For any other text throws Fault, which says what is wrong.
  [[nodiscard]] static Credential parse(std::string_view json);

  // {"sealpost":1,"url":...,"server_id":...,"name":...,"kid":...,"generation":...,"client_key":...,
  // "claims":{"role":...},"key_use_hmac":...} in one line.  Binary values are base64url.
  [[nodiscard]] crypto::SecretText json() const;
};

}  // namespace sealpost
