// The clients of the benchmark: any number of them, each known by its number alone, with keys that
// are derived from it, so that messages can be sealed without asking the database.  Never for real
// clients.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/credential.h"
#include "protocol/handshake.h"
#include "protocol/record.h"
#include "store/home.h"

namespace sealpost::bench {

class BenchClients {
 public:
  explicit BenchClients(const std::string& home);

  // Fills the home with `count` clients, each with an active session, past the gateway.
  void create_clients(std::uint64_t count) const;

  // The form of a message: the bytes of every form with the same topic and body size are as many.
  [[nodiscard]] std::string record(std::uint64_t client, std::uint64_t counter,
                                   const std::string& topic, std::size_t body_size) const;
  // The same, sealed with a key that is not the session's.
  [[nodiscard]] std::string forged(std::uint64_t client, std::size_t body_size) const;
  [[nodiscard]] std::string handshake(std::uint64_t client) const;

 private:
  [[nodiscard]] std::string sealed(const crypto::Key& key, std::uint64_t client,
                                   std::uint64_t counter, const std::string& topic,
                                   std::size_t body_size) const;
  [[nodiscard]] Credential credential(std::uint64_t client) const;

  Home home_;
  Keyring keyring_;
  Kid kid_;
  Claims claims_;
};

}  // namespace sealpost::bench
