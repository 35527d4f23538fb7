// The keys of a server and one client, which a fuzzer holds: always the same, so that an input
// means the same whenever it is run.
#pragma once

#include "protocol/credential.h"
#include "protocol/record.h"

namespace sealpost::fuzz {

template <std::size_t N>
ByteArray<N> filled(std::uint8_t with) {
  ByteArray<N> array;
  array.fill(with);
  return array;
}

template <class T>
T filled_id(std::uint8_t with) {
  return {filled<T::kSize>(with)};
}

inline crypto::Key key(std::uint8_t with) { return crypto::Key(filled<32>(with)); }

inline const Keyring& keyring() {
  static const Keyring keyring = [] {
    Keyring made(filled_id<ServerId>(1));
    made.add(1, key(2));
    return made;
  }();
  return keyring;
}

inline const Credential& credential() {
  static const Credential credential = Credential::issue(
      keyring(), 1, "client1", 1, *Claims::of({{"role", "sensor"}, {"site", "a"}}), "");
  return credential;
}

// The form's fields beside the message; the seal binds them.
inline Envelope clear_fields(bool with_name, bool with_hmac) {
  Envelope envelope;
  if (with_name) envelope.name = credential().name;
  if (with_hmac) envelope.key_use_hmac = credential().key_use_hmac;
  return envelope;
}

}  // namespace sealpost::fuzz
