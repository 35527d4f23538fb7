#define BOOST_TEST_MODULE idempotency_key
#include "protocol/idempotency_key.h"

#include <boost/test/unit_test.hpp>

namespace sealpost {
namespace {

template <class T>
T filled(std::uint8_t value) {
  T id;
  id.bytes.fill(value);
  return id;
}

struct Row {
  std::string expected;  // by Python's hashlib, from the text of PROTOCOL 2
  std::string differs_in;
  std::uint8_t server_id = 1;
  std::string name = "client1";
  Generation generation = 1;
  std::uint8_t install_nonce = 2;
  std::uint64_t counter = 0;
  std::uint8_t digest = 3;
};

BOOST_AUTO_TEST_CASE(idempotency_key_depends_on_all_that_names_a_message) {
  const Row rows[] = {
      {"e3314a73ef5c5185299d00acce8e5a15", "nothing"},
      {"46084a2ee226153e92753586269bf34c", "the server", 9},
      {"5df1a663c230bb845266b3a51bb5cef8", "the name", 1, "client2"},
      {"d43d6cc414172a239a47790eba9c3cb4", "a long name", 1, std::string(64, 'a')},
      {"8bc9544c4ecebad35fe055bf6968df34", "the generation", 1, "client1", 0xfffffffe},
      {"fff9b1c5fed51746e8d16e2279a97b87", "the installation", 1, "client1", 1, 9},
      {"1ac01122e5e0f564037d0af19bed0105", "the counter", 1, "client1", 1, 2, kCounterEnd - 1},
      {"5f6f73f6dcd50a066dc20024583acc8c", "the digest", 1, "client1", 1, 2, 0, 9},
  };
  for (const Row& row : rows) {
    const Installation sender{row.name, row.generation, filled<InstallNonce>(row.install_nonce)};
    BOOST_TEST(idempotency_key(filled<ServerId>(row.server_id), sender, row.counter,
                               filled<crypto::Digest>(row.digest)) == row.expected,
               row.differs_in);
  }
}

}  // namespace
}  // namespace sealpost
