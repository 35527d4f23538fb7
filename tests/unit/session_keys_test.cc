// What is left of a session's keys in the database's files once it has ended: nothing (PROTOCOL 8).
// The bytes are looked for as they lie on the disk, sealed and bare.
#define BOOST_TEST_MODULE session_keys
#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

#include "base/encoding.h"
#include "store/backup.h"
#include "store/sqlite_store.h"
#include "support/hex.h"
#include "support/house.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::Peer;
using test::TestHouse;

// How a gateway tidies up: a FastCGI process, at its leisure; a CGI process, before it ends.
enum class Manner { kFastcgi, kCgi };
constexpr Manner kManners[] = {Manner::kFastcgi, Manner::kCgi};

std::ostream& operator<<(std::ostream& out, Manner manner) {
  return out << (manner == Manner::kCgi ? "CGI" : "FastCGI");
}

struct Watched {
  TestHouse house;
  Manner manner;
  // By session id: the first bytes of the sealed keys would do, but any part may be what is left.
  std::map<std::string, std::vector<std::string>> secrets;

  explicit Watched(Manner as) : manner(as) {}

  // A client with an active session, whose keys are looked for from now on.
  Peer start(const std::string& name) {
    Peer peer = house.client(name);
    begin(peer);
    return peer;
  }
  void begin(Peer& peer) {
    BOOST_REQUIRE(peer.handshake().status == "accepted");
    BOOST_REQUIRE(peer.send().status == "accepted");
    end_of_process();
    watch(peer);
  }
  void watch(const Peer& peer) {
    const std::string id = hex(peer.session->session_id);
    const std::string text = house.sql(
        "SELECT hex(sealed_keys) FROM session WHERE hex(session_id) = upper('" + id + "')");
    const Bytes sealed = test::from_hex(text).value();
    BOOST_REQUIRE(sealed.size() == 104U);
    auto& of_this = secrets[id];
    // The nonce, and pieces of the rest: a copy that was partly written over is one, too.
    for (std::size_t at = 0; at + 16 <= sealed.size(); at += 16) {
      of_this.emplace_back(text_of(ByteView(sealed).subspan(at, 16)));
    }
    of_this.emplace_back(text_of(peer.keys->c2s.reveal()));
    of_this.emplace_back(text_of(peer.keys->s2c.reveal()));
  }
  [[nodiscard]] static std::string id_of(const Peer& peer) { return hex(peer.session->session_id); }

  // How many of these sessions' secrets lie in a file.
  [[nodiscard]] int found(const std::string& id) const {
    int count = 0;
    for (const char* part : {"", "-wal", "-shm", "-journal"}) {
      const std::string file = test::read_text(house.home.store_paths().database + part);
      for (const std::string& secret : secrets.at(id)) {
        if (file.find(secret) != std::string::npos) ++count;
      }
    }
    return count;
  }

  // Under CGI there is a new process for every request.
  void end_of_process() {
    if (manner != Manner::kCgi) return;
    house.gateway().trim();
    house.restart();
  }
  // The next time that a gateway tidies up.
  void tidy() {
    if (manner == Manner::kCgi) return end_of_process();
    house.gateway().tidy(house.now, false);
    house.now += 5 * kMinute;
    house.gateway().tidy(house.now, false);
  }
};

BOOST_AUTO_TEST_CASE(sealed_keys_lie_in_the_database_while_the_session_lives_and_bare_ones_never) {
  for (const Manner manner : kManners) {
    Watched w(manner);
    const Peer peer = w.start("client1");
    BOOST_TEST(w.found(Watched::id_of(peer)) >= 6, manner << ": else the search finds nothing");
    for (const auto* key : {&peer.keys->c2s, &peer.keys->s2c}) {
      const std::string bare(text_of(key->reveal()));
      for (const char* part : {"", "-wal"}) {
        const std::string file = test::read_text(w.house.home.store_paths().database + part);
        BOOST_TEST(file.find(bare) == std::string::npos, manner);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takeover_leaves_no_key) {
  for (const Manner manner : kManners) {
    Watched w(manner);
    Peer peer = w.start("client1");
    const std::string old = Watched::id_of(peer);
    w.begin(peer);
    w.tidy();
    BOOST_TEST(w.found(old) == 0, manner);
    BOOST_TEST(w.found(Watched::id_of(peer)) > 0, manner << ": the new one is there");
  }
}

BOOST_AUTO_TEST_CASE(expiry_leaves_no_key) {
  for (const Manner manner : kManners) {
    Watched w(manner);
    const Peer peer = w.start("client1");
    Peer pending = w.house.client("pending");
    BOOST_REQUIRE(pending.handshake().status == "accepted");
    w.watch(pending);
    w.house.now += kPendingLife;
    Peer other = w.start("other");
    w.tidy();
    BOOST_TEST(w.found(Watched::id_of(pending)) == 0, manner << ": a pending one");
    BOOST_TEST(w.found(Watched::id_of(peer)) > 0, manner << ": this one lives");
    w.house.now = peer.session->expires_at;
    w.begin(other);  // the next write
    w.tidy();
    BOOST_TEST(w.found(Watched::id_of(peer)) == 0, manner << ": an active one");
  }
}

// What the operator does while a gateway is at work beside it.
void ended_by(const char* what, const std::function<void(Watched&, Clients&)>& deed) {
  for (const Manner manner : kManners) {
    Watched w(manner);
    const Peer peer = w.start("client1");
    {
      Database database = w.house.database();
      Clients book(database);
      deed(w, book);
    }
    BOOST_TEST(w.found(Watched::id_of(peer)) == 0, what << ", " << manner);
  }
}

BOOST_AUTO_TEST_CASE(what_the_operator_ends_leaves_no_key_from_that_moment) {
  ended_by("revoke", [](Watched& w, Clients& book) { book.revoke("client1", w.house.now); });
  ended_by("remove", [](Watched& w, Clients& book) { book.remove("client1", w.house.now); });
  ended_by("session end", [](Watched&, Clients& book) { (void)book.end_sessions("client1"); });
  ended_by("key retire", [](Watched&, Clients& book) { (void)book.end_sessions_under(1); });
  ended_by("restore", [](Watched& w, Clients&) {
    Database database = w.house.database();
    const std::string file = w.house.folder / "backup";
    back_up(database, file);
    (void)restore(w.house.home.store_paths(), w.house.home.server_id(), file, w.house.now);
  });
}

BOOST_AUTO_TEST_CASE(a_new_epoch_leaves_no_key) {
  for (const Manner manner : kManners) {
    Watched w(manner);
    Peer peer = w.start("client1");
    const Peer other = w.start("client2");
    // As an old copy would be: it has forgotten the last message, and this client's receipt proves
    // it.
    w.house.sql("DELETE FROM message WHERE counter = 0 AND installation = 1");
    BOOST_TEST(peer.send().reply.status == 403, "the proof");
    BOOST_TEST(w.house.sql("SELECT epoch_reason FROM server") == "rollback");
    w.tidy();
    BOOST_TEST(w.found(Watched::id_of(peer)) == 0, manner);
    BOOST_TEST(w.found(Watched::id_of(other)) == 0, manner << ": every session ended");
  }
}

BOOST_AUTO_TEST_CASE(a_gateway_that_died_before_it_was_tidy_leaves_no_key_to_the_next) {
  Watched w(Manner::kFastcgi);
  Peer peer = w.start("client1");
  const std::string old = Watched::id_of(peer);
  w.begin(peer);
  w.house.restart();
  BOOST_TEST(peer.send().status == "accepted", "the next process");
  BOOST_TEST(w.found(old) > 0, "else there was nothing to tidy");
  w.tidy();
  BOOST_TEST(w.found(old) == 0);
}

// A line of the log that names the client was written by who still had the keys to open its record.
BOOST_AUTO_TEST_CASE(keys_of_a_session_that_another_process_ended_are_forgotten) {
  Watched w(Manner::kFastcgi);
  Peer peer = w.start("client1");
  Peer other = w.start("client2");
  const auto last_line = [&] {
    const std::string log = w.house.log();
    return log.substr(log.rfind('\n', log.size() - 2) + 1);
  };
  w.tidy();  // as a process that has long been at work, and has ended nothing itself since
  for (Peer* one : {&peer, &other}) BOOST_TEST(one->send().status == "accepted");
  w.house.sql("DELETE FROM session");
  BOOST_TEST(other.send().reply.status == 403);
  BOOST_TEST(last_line().find("client2") != std::string::npos, "it still knew the keys");
  w.tidy();
  BOOST_TEST(peer.send().reply.status == 403);
  BOOST_TEST(last_line().find("client1") == std::string::npos, last_line());
}

// SQLite moves rows from page to page as their tree grows and shrinks: no copy may stay behind.
BOOST_AUTO_TEST_CASE(hundreds_of_sessions_that_come_and_go_leave_no_key) {
  Watched w(Manner::kFastcgi);
  std::vector<Peer> peers;
  for (int i = 0; i < 150; ++i) peers.push_back(w.start("client" + std::to_string(i)));
  std::vector<std::string> ended;
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    Peer& peer = peers[random() % peers.size()];
    ended.push_back(Watched::id_of(peer));
    w.begin(peer);
  }
  w.tidy();
  int left = 0;
  for (const std::string& id : ended) left += w.found(id);
  BOOST_TEST(left == 0);
  BOOST_TEST(w.found(Watched::id_of(peers[0])) > 0);
}

}  // namespace
}  // namespace sealpost
