#define BOOST_TEST_MODULE keyring
#include "protocol/keyring.h"

#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "base/result.h"
#include "protocol/credential.h"

namespace sealpost {
namespace {

Keyring ring() {
  Keyring keyring(ServerId{1, 2, 3});
  keyring.add(1, crypto::Key());
  crypto::Key other;
  other.fill()[0] = 1;
  keyring.add(2, other);
  return keyring;
}

std::string client_key(const Keyring& keyring, Kid kid, std::string_view name,
                       Generation generation) {
  return hex(keyring.client_key(kid, name, generation).reveal());
}

BOOST_AUTO_TEST_CASE(client_key_depends_on_kid_name_generation_and_server) {
  const Keyring keyring = ring();
  const std::string key = client_key(keyring, 1, "client1", 1);
  BOOST_TEST(key.size() == 32U);
  BOOST_TEST(key == client_key(ring(), 1, "client1", 1));
  BOOST_TEST(key != client_key(keyring, 2, "client1", 1));
  BOOST_TEST(key != client_key(keyring, 1, "client2", 1));
  BOOST_TEST(key != client_key(keyring, 1, "client1", 2));
  Keyring elsewhere(ServerId{});
  elsewhere.add(1, crypto::Key());
  BOOST_TEST(key != client_key(elsewhere, 1, "client1", 1));
}

BOOST_AUTO_TEST_CASE(keys_for_different_purposes_differ) {
  const Keyring keyring = ring();
  BOOST_TEST(!(keyring.receipt_key(1) == keyring.receipt_key(2)));
  BOOST_TEST(!(keyring.receipt_key(1) == psk_of(keyring.client_key(1, "client1", 1))));
}

BOOST_AUTO_TEST_CASE(same_master_key_under_another_kid_gives_another_key) {
  Keyring keyring(ServerId{});
  keyring.add(1, crypto::Key());
  keyring.add(2, crypto::Key());
  BOOST_TEST(client_key(keyring, 1, "a", 1) != client_key(keyring, 2, "a", 1));
  BOOST_TEST(!(keyring.receipt_key(1) == keyring.receipt_key(2)));
}

BOOST_AUTO_TEST_CASE(key_use_hmac_covers_kid_name_generation_and_claims) {
  const Keyring keyring = ring();
  const Bytes claims = {1, 2, 3};
  const auto hmac = keyring.key_use_hmac(1, "client1", 1, claims);
  BOOST_TEST((hmac == keyring.key_use_hmac(1, "client1", 1, claims)));
  BOOST_TEST((hmac != keyring.key_use_hmac(2, "client1", 1, claims)));
  BOOST_TEST((hmac != keyring.key_use_hmac(1, "client2", 1, claims)));
  BOOST_TEST((hmac != keyring.key_use_hmac(1, "client1", 2, claims)));
  BOOST_TEST((hmac != keyring.key_use_hmac(1, "client1", 1, Bytes{1, 2})));
}

BOOST_AUTO_TEST_CASE(missing_kid_is_a_fault) {
  const Keyring keyring = ring();
  BOOST_TEST(keyring.has(1));
  BOOST_TEST(!keyring.has(3));
  BOOST_CHECK_THROW((void)keyring.client_key(3, "client1", 1), Fault);
}

BOOST_AUTO_TEST_CASE(session_keys_open_for_their_own_session_only) {
  const Keyring keyring = ring();
  const SessionKeys keys{crypto::random_key(), crypto::random_key()};
  const SessionId session{7};
  const Bytes sealed =
      keyring.seal_session_keys(1, session, "client1", keys, crypto::random_array<24>());
  const SessionKeys again = keyring.open_session_keys(1, session, "client1", sealed);
  BOOST_TEST((again.c2s == keys.c2s));
  BOOST_TEST((again.s2c == keys.s2c));
  BOOST_CHECK_THROW((void)keyring.open_session_keys(2, session, "client1", sealed), Fault);
  BOOST_CHECK_THROW((void)keyring.open_session_keys(1, SessionId{8}, "client1", sealed), Fault);
  BOOST_CHECK_THROW((void)keyring.open_session_keys(1, session, "client2", sealed), Fault);
  BOOST_CHECK_THROW((void)keyring.open_session_keys(1, session, "client1", {}), Fault);
}

BOOST_AUTO_TEST_CASE(credential_survives_json_round_trip) {
  const Keyring keyring = ring();
  const Credential issued = Credential::issue(keyring, 2, "client1", 3,
                                              *Claims::of({{"role", "sen\"sor"}, {"site", "ü"}}),
                                              "https://example.org/gate");
  const Credential read = Credential::parse(issued.json());
  BOOST_TEST(read.url == issued.url);
  BOOST_TEST(hex(read.server_id) == hex(issued.server_id));
  BOOST_TEST(read.name == "client1");
  BOOST_TEST(read.kid == 2);
  BOOST_TEST(read.generation == 3U);
  BOOST_TEST((read.client_key == issued.client_key));
  BOOST_TEST((read.claims.values() == issued.claims.values()));
  BOOST_TEST(hex(read.key_use_hmac) == hex(issued.key_use_hmac));
}

BOOST_AUTO_TEST_CASE(json_matches_documentation) {
  Keyring keyring(ServerId{});
  keyring.add(1, crypto::Key());
  const auto text = Credential::issue(keyring, 1, "c", 1, *Claims::of({{"role", "r"}}), "u").json();
  const std::string_view expected =
      R"({"sealpost":1,"url":"u","server_id":"AAAAAAAAAAAAAAAAAAAAAA","name":"c","kid":1,)"
      R"("generation":1,"client_key":")";
  BOOST_TEST(std::string_view(text).substr(0, expected.size()) == expected);
  BOOST_TEST(text.find(R"(","claims":{"role":"r"},"key_use_hmac":")") != text.npos);
}

BOOST_AUTO_TEST_CASE(explains_rejection_of_incomplete_or_wrong_credential) {
  Keyring keyring(ServerId{});
  keyring.add(1, crypto::Key());
  const auto secret =
      Credential::issue(keyring, 1, "c", 1, *Claims::of({{"role", "r"}}), "http://u/").json();
  const std::string good(secret.begin(), secret.end());
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {R"("sealpost":1)", R"("sealpost":2)", "version"},
      {R"("sealpost":1,)", "", "sealpost"},
      {R"("url":"http:)", R"("url":"gopher:)", "url"},
      {R"("url":"http://u/)", R"("url":"http://)", "url"},
      {R"("url":"http://u/)", R"("url":"http://u /)", "url"},
      {R"("name":"c")", R"("name":"-c")", "name"},
      {R"("kid":1)", R"("kid":0)", "kid"},
      {R"("kid":1)", R"("kid":256)", "kid"},
      {R"("kid":1)", R"("kid":-1)", "kid"},
      {R"("generation":1)", R"("generation":4294967296)", "generation"},
      {R"("role":"r")", "", "role"},
      {R"("role":"r")", R"("role":1)", "claim"},
      {R"("server_id":"AA)", R"("server_id":"A)", "server_id"},
      {R"("client_key":")", R"("client_key":"A)", "client_key"},
      {R"("key_use_hmac":")", R"("key_use_hmac":"A)", "key_use_hmac"},
      {"{", "[", "JSON"},
  };
  for (const auto& [from, to, word] : rows) {
    std::string text = good;
    text.replace(text.find(from), std::string(from).size(), to);
    BOOST_CHECK_EXCEPTION((void)Credential::parse(text), Fault, [word = word](const Fault& fault) {
      return std::string_view(fault.what()).find(word) != std::string_view::npos;
    });
  }
}

}  // namespace
}  // namespace sealpost
