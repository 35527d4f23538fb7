// PROTOCOL 4 and 5, row by row, against a gateway in this process with a clock of the test's.
#define BOOST_TEST_MODULE gateway_handshake
#include <boost/test/unit_test.hpp>

#include "base/encoding.h"
#include "support/house.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::Exchange;
using test::Peer;
using test::TestHouse;

struct Plain {
  int status;
  const char* body;
};

void is_plain(const test::Reply& reply, const Plain& expected, const std::string& why) {
  BOOST_TEST(reply.status == expected.status, why);
  BOOST_TEST(reply.body == expected.body, why);
  BOOST_TEST(reply.type == "text/plain", why);
}

constexpr Plain kRefused{403, "refused\n"};

BOOST_AUTO_TEST_CASE(http_is_checked_in_its_order_before_anything_else) {
  TestHouse house;
  const std::string form = "encrypted_message=EQE";
  Request all_wrong = TestHouse::request("no form");
  all_wrong.method = "PUT";
  all_wrong.content_type = "text/plain";
  all_wrong.body_too_large = true;
  all_wrong.body_cut = true;
  is_plain(house.post(all_wrong), {405, "post only\n"}, "method first");
  all_wrong.method = "POST";
  is_plain(house.post(all_wrong), {415, "type\n"}, "then the media type");
  all_wrong.content_type = "application/x-www-form-urlencoded";
  is_plain(house.post(all_wrong), {413, "too large\n"}, "then the size");
  all_wrong.body_too_large = false;
  is_plain(house.post(all_wrong), {400, "form\n"}, "then whether it is whole");
  all_wrong.body_cut = false;
  is_plain(house.post(all_wrong), {400, "form\n"}, "then the form");

  Request encoded = TestHouse::request(form);
  encoded.has_content_encoding = true;
  is_plain(house.post(encoded), {415, "type\n"}, "a Content-Encoding");
  Request untyped = TestHouse::request(form);
  untyped.content_type.reset();
  is_plain(house.post(untyped), {415, "type\n"}, "no media type");
  Request shorter = TestHouse::request(form);
  shorter.announced = form.size() + 1;
  is_plain(house.post(shorter), {400, "form\n"}, "shorter than announced");
  Request unannounced = TestHouse::request(form);
  unannounced.announced.reset();
  is_plain(house.post(unannounced), kRefused, "a chunked body announces nothing");
}

BOOST_AUTO_TEST_CASE(the_head_of_an_answer_says_what_it_must) {
  const Response post_only{405, "post only\n", false};
  BOOST_TEST(post_only.head().find("Allow: POST\r\n") != std::string::npos);
  BOOST_TEST(post_only.head().find("Status: 405 ") == 0U);
  const Response sealed{200, "\x92", true};
  BOOST_TEST(sealed.head() ==
             "Status: 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n"
             "Cache-Control: no-store\r\n\r\n");
  const Response plain{403, "refused\n", false};
  BOOST_TEST(plain.head().find("Content-Type: text/plain\r\n") != std::string::npos);
  BOOST_TEST(plain.head().find("Cache-Control: no-store\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_home_that_is_none_is_503_but_only_behind_the_form) {
  TestHouse house;
  house.set(kHome, "/nowhere/at/all");
  is_plain(house.post(TestHouse::request("no form")), {400, "form\n"}, "the form comes first");
  is_plain(house.post(TestHouse::request("encrypted_message=EQE")), {503, "unavailable\n"},
           "then 503");
  BOOST_TEST(house.log().find("sealpost init") != std::string::npos, house.log());
  house.set(kHome, "");
  is_plain(house.post(TestHouse::request("encrypted_message=EQE")), {503, "unavailable\n"},
           "not set");
  BOOST_TEST(house.log().find("SEALPOST_HOME is not set") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_first_byte_of_no_kind_is_a_strangers) {
  TestHouse house;
  for (const Bytes& message :
       {Bytes{0x00}, Bytes{0x13}, Bytes{0x91}, Bytes{0x11}, Bytes{0x12}, Bytes(2000)}) {
    Envelope envelope;
    envelope.name = "client1";
    envelope.message = message;
    is_plain(house.post(TestHouse::request(envelope.form())), kRefused, hex(message));
  }
}

BOOST_AUTO_TEST_CASE(a_handshake_begins_a_session) {
  for (const bool hmac_in_clear : {false, true}) {
    TestHouse house;
    Peer peer = house.client();
    peer.hmac_in_clear = hmac_in_clear;
    const Exchange hello = peer.handshake();
    BOOST_TEST(hello.reply.status == 200);
    BOOST_TEST(hello.reply.type == "application/octet-stream");
    BOOST_TEST(hello.status == "accepted");
    BOOST_TEST(hello.server_time == house.now);
    BOOST_TEST(peer.session->expires_at == house.now + 24 * kHour);
    BOOST_TEST(peer.session->max_body == 1U << 20);
    BOOST_TEST((peer.session->receipt == Receipt{}), "nothing counted yet: 24 zero bytes");
    BOOST_TEST(peer.send().status == "accepted");
  }
}

BOOST_AUTO_TEST_CASE(a_session_ends_no_later_than_the_claims) {
  TestHouse house;
  const std::uint64_t end = house.now.time_since_epoch() / kSecond + 3600;
  Peer peer = house.client("c", "r", {{"not_after", std::to_string(end)}});
  peer.handshake();
  BOOST_TEST(peer.session->expires_at == Time(end * kSecond));
  house.set(kSessionLife, "10m");
  peer.handshake();
  BOOST_TEST(peer.session->expires_at == house.now + 10 * kMinute);
}

BOOST_AUTO_TEST_CASE(strangers_get_one_answer_and_leave_no_trace_in_the_database) {
  TestHouse house;
  Peer peer = house.client();
  const std::string before = house.dump();
  const auto refused = [&](Peer stranger, const char* why) {
    is_plain(stranger.handshake().reply, kRefused, why);
  };
  const auto changed = [&](auto change) {
    Peer stranger(Credential::parse(peer.credential.json()), house.wire());
    stranger.now = peer.now;
    change(stranger.credential);
    return stranger;
  };
  refused(changed([](Credential& c) { c.kid = 2; }), "a kid there is not");
  refused(changed([](Credential& c) { c.generation = 2; }), "another generation, so another key");
  refused(changed([](Credential& c) { c.name = "client2"; }), "another name, so another key");
  refused(changed([](Credential& c) { c.name = ".client"; }), "a name that is none");
  refused(changed([](Credential& c) { c.client_key.fill()[0] ^= 1; }), "another key");
  refused(changed([](Credential& c) { c.server_id.bytes[0] ^= 1; }), "another server");
  BOOST_TEST(house.dump() == before);
}

BOOST_AUTO_TEST_CASE(a_replayed_handshake_is_refused_and_changes_nothing) {
  TestHouse house;
  Peer peer = house.client();
  const Exchange hello = peer.handshake();
  BOOST_TEST(peer.send().status == "accepted");
  const std::string before = house.dump();
  is_plain(house.wire()(hello.form), kRefused, "at once");
  house.now += 59 * kSecond;
  is_plain(house.wire()(hello.form), kRefused, "while it is fresh");
  BOOST_TEST(house.dump() == before);
  BOOST_TEST(peer.send().status == "accepted", "the client still works");

  // After 61 s it is late, whether it is remembered or not: at no time can it begin a session
  // again.
  house.now += 2 * kSecond;
  is_plain(house.wire()(hello.form), kRefused, "late and remembered");
  house.now += 90 * kSecond;
  const test::Reply forgotten = house.wire()(hello.form);
  BOOST_TEST(forgotten.status == 409, "forgotten, and late");
  BOOST_TEST(house.sql("SELECT count(*) FROM session") == "1");
}

BOOST_AUTO_TEST_CASE(a_handshake_from_the_future_cannot_outlive_its_memory) {
  TestHouse house;
  Peer peer = house.client();
  const Exchange hello = peer.handshake(59'000);  // as late as may be: fresh for 119 s
  BOOST_TEST(hello.status == "accepted");
  for (int second = 0; second < 300; ++second) {
    house.now += kSecond;
    const test::Reply again = house.wire()(hello.form);
    BOOST_TEST(again.status != 200, "after " << second + 1 << " s");
  }
}

BOOST_AUTO_TEST_CASE(a_handshake_more_than_60_s_off_is_late_and_says_the_time) {
  TestHouse house;
  Peer peer = house.client();
  const std::string before = house.dump();
  for (const std::int64_t shift : {60'001, -60'001, 86'400'000}) {
    const Exchange hello = peer.handshake(shift);
    BOOST_TEST(hello.status == "late", shift);
    BOOST_TEST(hello.reply.status == 409);
    BOOST_TEST(hello.server_time == house.now);
    BOOST_TEST(!peer.session.has_value());
  }
  BOOST_TEST(house.dump() == before, "nothing is written");
  BOOST_TEST(peer.handshake(60'000).status == "accepted");
  BOOST_TEST(peer.handshake(-60'000).status == "accepted");
}

// A handshake whose payload is `payload`, from a holder of the key; the sealed status.
std::string shake_payload(TestHouse& house, const Peer& peer, ByteView payload,
                          bool hmac_in_clear = false) {
  Envelope envelope;
  envelope.name = peer.credential.name;
  if (hmac_in_clear) envelope.key_use_hmac = peer.credential.key_use_hmac;
  const Bytes header = Writer().u8(0x11).u8(1).u32(peer.credential.generation).take();
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(peer.credential.server_id)
                             .put(header)
                             .put(envelope.clear())
                             .take();
  crypto::NoiseInitiator noise(psk_of(peer.credential.client_key), prologue, crypto::random_key());
  envelope.message = Writer().put(header).put(noise.write(payload)).take();
  const test::Reply reply = house.wire()(envelope.form());
  if (reply.body.empty() || reply.body[0] != '\x91') return "";
  const auto finished = noise.read(bytes_of(reply.body).subspan(1));
  BOOST_REQUIRE(finished.has_value());
  return std::string(name_of(status_of(finished->payload.at(0)).value()));
}

Bytes payload(const Peer& peer, Time sent_at, const KeyUseHmac& hmac, bool with_hmac = true) {
  Writer writer;
  writer.time(sent_at).put(peer.install_nonce).put(Bytes(24)).lp16(peer.credential.claims.encode());
  writer.lp8(with_hmac ? ByteView(hmac) : ByteView());
  return writer.take();
}

BOOST_AUTO_TEST_CASE(a_payload_of_another_shape_is_malformed_unless_it_is_late) {
  TestHouse house;
  Peer peer = house.client();
  const KeyUseHmac& hmac = peer.credential.key_use_hmac;
  const std::string before = house.dump();
  Bytes longer = payload(peer, house.now, hmac);
  longer.push_back(0);
  BOOST_TEST(shake_payload(house, peer, longer) == "malformed");
  BOOST_TEST(shake_payload(house, peer, {}) == "malformed");
  BOOST_TEST(shake_payload(house, peer, Bytes(7)) == "malformed");
  BOOST_TEST(shake_payload(house, peer, Bytes(8)) == "late");
  BOOST_TEST(shake_payload(house, peer, payload(peer, house.now, hmac, false)) == "malformed");
  BOOST_TEST(shake_payload(house, peer, payload(peer, house.now, hmac), true) == "malformed");
  BOOST_TEST(house.dump() == before);
  BOOST_TEST(shake_payload(house, peer, payload(peer, house.now, hmac, false), true) == "accepted");
}

BOOST_AUTO_TEST_CASE(claims_that_were_not_issued_are_forbidden) {
  TestHouse house;
  Peer peer = house.client();
  const std::string before = house.dump();
  peer.credential.claims = *Claims::of({{"role", "operator"}});
  Exchange hello = peer.handshake();
  BOOST_TEST(hello.status == "forbidden");
  BOOST_TEST(hello.reply.status == 403);
  peer.credential.claims = *Claims::of({{"role", "sensor"}, {"site", "x"}});
  BOOST_TEST(peer.handshake().status == "forbidden", "a claim more");
  BOOST_TEST(house.dump() == before);
}

BOOST_AUTO_TEST_CASE(claims_whose_time_has_not_come_or_is_over_are_forbidden) {
  TestHouse house;
  const std::uint64_t seconds = house.now.time_since_epoch() / kSecond;
  Peer later = house.client("later", "r", {{"not_before", std::to_string(seconds + 100)}});
  BOOST_TEST(later.handshake().status == "forbidden");
  Peer ended = house.client("ended", "r", {{"not_after", std::to_string(seconds)}});
  BOOST_TEST(ended.handshake().status == "forbidden");
  house.now += 100 * kSecond;
  BOOST_TEST(later.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(revoked_removed_and_former_generations_are_revoked) {
  TestHouse house;
  Peer first = house.client();
  Peer second = house.renewed(first);
  const Exchange hello = first.handshake();
  BOOST_TEST(hello.status == "revoked", "a generation below its row's");
  BOOST_TEST(hello.reply.status == 403);
  BOOST_TEST(second.handshake().status == "accepted");

  Database database = house.database();
  Clients book(database);
  book.revoke("client1", house.now);
  BOOST_TEST(second.handshake().status == "revoked", "revoked");
  Peer third = house.renewed(second);
  BOOST_TEST(third.handshake().status == "accepted", "issued anew");
  book.remove("client1", house.now);
  BOOST_TEST(third.handshake().status == "revoked", "no row");
  Peer again = house.client();
  BOOST_TEST(again.credential.generation > third.credential.generation,
             "generations never go back");
  BOOST_TEST(third.handshake().status == "revoked");
  BOOST_TEST(again.handshake().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_name_has_four_pending_sessions_and_none_is_evicted) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  Peer first(Credential::parse(peer.credential.json()), peer.wire);
  first.now = peer.now;
  first.session = peer.session;
  first.keys = SessionKeys{peer.keys->c2s.clone(), peer.keys->s2c.clone()};
  for (int i = 0; i < 3; ++i) BOOST_TEST(peer.handshake().status == "accepted");
  const Exchange fifth = peer.handshake();
  BOOST_TEST(fifth.status == "unavailable");
  BOOST_TEST(fifth.reply.status == 503);
  BOOST_TEST(house.sql("SELECT count(*) FROM session") == "4");
  Peer other = house.client("client2");
  BOOST_TEST(other.handshake().status == "accepted", "another name has its own four");
  BOOST_TEST(first.send().status == "accepted", "the oldest is still there");
}

BOOST_AUTO_TEST_CASE(a_pending_session_lives_60_s_and_an_active_one_until_it_expires) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  house.now += kPendingLife;
  is_plain(peer.send().reply, kRefused, "pending for 60 s");
  peer.handshake();
  house.now += kPendingLife - Milliseconds{1};
  const Message message = peer.message();
  BOOST_TEST(peer.send(message).status == "accepted", "one millisecond less");
  house.now = peer.session->expires_at - Milliseconds{1};
  BOOST_TEST(peer.send().status == "accepted");
  house.now += Milliseconds{1};
  is_plain(peer.send().reply, kRefused, "expired");
}

BOOST_AUTO_TEST_CASE(ended_sessions_are_deleted_with_their_keys_by_the_next_write) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  house.now += kPendingLife + Milliseconds{1};
  Peer other = house.client("client2");
  other.handshake();
  BOOST_TEST(house.sql("SELECT group_concat(name) FROM session") == "client2");
  BOOST_TEST(house.sql("SELECT count(*) FROM handshake") == "2", "handshakes are kept for 150 s");
  house.now += kHandshakeMemory;
  other.handshake();
  BOOST_TEST(house.sql("SELECT count(*) FROM handshake") == "1");
}

BOOST_AUTO_TEST_CASE(the_first_record_makes_a_session_active_and_ends_the_others_of_its_name) {
  TestHouse house;
  Peer one = house.client();
  Peer other_name = house.client("client2");
  other_name.handshake();
  BOOST_TEST(other_name.send().status == "accepted");
  one.handshake();
  BOOST_TEST(one.send().status == "accepted");

  Peer two(Credential::parse(one.credential.json()),
           one.wire);  // another installation of the same name
  two.now = one.now;
  two.handshake();
  BOOST_TEST(one.send().status == "accepted", "a handshake alone changes nothing");
  BOOST_TEST(two.send().status == "accepted");
  is_plain(one.send().reply, kRefused, "taken over");
  BOOST_TEST(other_name.send().status == "accepted", "another name is not concerned");
}

BOOST_AUTO_TEST_CASE(a_record_that_is_refused_before_step_6_does_not_activate) {
  TestHouse house;
  Peer at_work = house.client();
  at_work.handshake();
  BOOST_TEST(at_work.send().status == "accepted");
  Peer intruder(Credential::parse(at_work.credential.json()), at_work.wire);
  intruder.now = at_work.now;
  intruder.handshake();
  intruder.credential.claims = *Claims::of({{"role", "operator"}});
  BOOST_TEST(intruder.send().status == "forbidden");
  BOOST_TEST((intruder.post(intruder.seal_plaintext(0, Bytes(3))).status == "malformed"));
  BOOST_TEST(at_work.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(a_handshake_says_how_far_the_installation_was_counted) {
  TestHouse house;
  Peer peer = house.client();
  peer.handshake();
  peer.send();
  peer.next = 10;
  const Exchange sent = peer.send();
  BOOST_TEST(sent.receipt.next == 11U);
  const Exchange hello = peer.handshake();
  BOOST_TEST((hello.receipt == sent.receipt));
  peer.install_nonce = InstallNonce{1};
  peer.receipt = {};
  BOOST_TEST((peer.handshake().receipt == Receipt{}), "another installation");
}

BOOST_AUTO_TEST_CASE(a_point_of_small_order_is_refused_and_not_remembered) {
  TestHouse house;
  const Peer peer = house.client();
  Envelope envelope;
  envelope.name = "client1";
  const Bytes header = Writer().u8(0x11).u8(1).u32(1).take();
  const Bytes prologue = Writer()
                             .put("sealpost/1 handshake")
                             .put(peer.credential.server_id)
                             .put(header)
                             .put(envelope.clear())
                             .take();
  const crypto::PublicKey zero{};
  crypto::NoiseState state(prologue);
  state.mix_key_and_hash(psk_of(peer.credential.client_key));
  state.mix_hash(zero);
  state.mix_key(zero);
  envelope.message = Writer().put(header).put(zero).take();
  state.encrypt_and_hash(payload(peer, house.now, peer.credential.key_use_hmac), envelope.message);
  const std::string before = house.dump();
  is_plain(house.wire()(envelope.form()), kRefused, "all zero");
  BOOST_TEST(house.dump() == before);
}

}  // namespace
}  // namespace sealpost
