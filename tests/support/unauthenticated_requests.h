// Requests that no gateway authenticates, and the one answer that all of them must get.
#pragma once

#include <boost/test/unit_test.hpp>
#include <map>
#include <regex>

#include "base/encoding.h"
#include "support/site.h"

namespace sealpost::test {

inline const std::string kForm = "Content-Type: application/x-www-form-urlencoded";

// The form of a handshake with a changed credential, or with this client's own.  Sends nothing.
inline std::string hello(const Peer& as, const std::function<void(Credential&)>& change = {}) {
  Peer double_of(Credential::parse(as.credential.json()),
                 [](const std::string&) -> test::Reply { return {}; });
  if (change) change(double_of.credential);
  return double_of.handshake().form;
}

// The form with one bit of its sealed message changed, counted from the front or, below 0, the end.
inline std::string changed(const std::string& form, std::ptrdiff_t at) {
  Envelope envelope = *Envelope::parse(form);
  Bytes& message = envelope.message;
  message[static_cast<std::size_t>(at < 0 ? static_cast<std::ptrdiff_t>(message.size()) + at
                                          : at)] ^= 1;
  return envelope.form();
}

struct UnauthenticatedRequest {
  const char* who;
  std::string form;
};

inline std::vector<UnauthenticatedRequest> unauthenticated_requests(Site& site) {
  Peer peer = site.client("client1");
  BOOST_REQUIRE(peer.handshake().status == "accepted");
  BOOST_REQUIRE(peer.send().status == "accepted");
  Peer waiting = site.client("client2");
  const std::string replayed = waiting.handshake().form;
  const Credential& other = waiting.credential;
  const std::string record = peer.seal(peer.message()).form();
  Peer named(Credential::parse(other.json()), site.wire());
  named.session = peer.session;
  named.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
  named.name_in_clear = true;
  return {
      {"an unknown name", hello(peer, [](Credential& c) { c.name = "client9"; })},
      {"a known name with a wrong key",
       hello(peer, [](Credential& c) { c.client_key.fill()[0] ^= 1; })},
      {"a known name with a wrong tag", changed(hello(peer), -1)},
      {"a known name with a wrong first block", changed(hello(peer), 38)},
      {"a generation that was never issued", hello(peer, [](Credential& c) { c.generation = 9; })},
      {"an unknown kid", hello(peer, [](Credential& c) { c.kid = 9; })},
      {"another server's client", hello(peer, [](Credential& c) { c.server_id.bytes[0] ^= 1; })},
      {"a name that is none", hello(peer, [](Credential& c) { c.name = ".client"; })},
      {"a replayed handshake", replayed},
      {"a handshake without a name", hello(peer).substr(sizeof "name=client1&" - 1)},
      {"a first byte of no kind", changed(hello(peer), 0)},
      {"one byte", "encrypted_message=EQ"},
      {"an unknown session", changed(record, 1)},
      {"a known session with a wrong tag", changed(record, -1)},
      {"a known session with a wrong counter", changed(record, 24)},
      {"a counter past 2^63",
       [&] {
         Envelope past = *Envelope::parse(record);
         past.message[17] ^= 0x80;
         return past.form();
       }()},
      {"another's name over a record", named.seal(peer.message()).form()},
      {"a record with a name that was not sealed in", "name=client1&" + record},
      {"a record cut short", "encrypted_message=" + base64url(Bytes(40, 0x12))},
  };
}

// Removes what the gateway does not write: the date, and how Apache ends a body.  Since 2.4.59
// Apache ignores a CGI program's Content-Length, and adds its own only if the program's end came
// together with its answer.
inline std::string without_chance(const std::string& head) {
  static const std::regex kChance("(Date|Content-Length|Transfer-Encoding): [^\r]*\r\n");
  return std::regex_replace(head, kChance, "");
}

// Sends all of them, expects the same answer to each, and returns it.
inline std::string heard_by_all(Site& site,
                                const std::function<std::string(const std::string&)>& send) {
  std::map<std::string, std::string> heard;  // and by whom first
  for (const auto& [who, form] : unauthenticated_requests(site)) heard.try_emplace(send(form), who);
  for (const auto& [answer, who] : heard) BOOST_TEST(heard.size() == 1U, who << ": " << answer);
  return heard.begin()->first;
}

inline std::function<std::string(const std::string&)> by_http(const Site& site) {
  return [&site](const std::string& form) {
    const test::HttpReply reply = test::http(site.url(), "POST", {kForm}, form);
    return without_chance(reply.head) + reply.body;
  };
}

}  // namespace sealpost::test
