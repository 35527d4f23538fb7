// After a session has ended, the database's files contain nothing of its keys (PROTOCOL 8).  The
// test searches the files' bytes for sealed and plain keys.
#define BOOST_TEST_MODULE session_keys
#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

#include "base/encoding.h"
#include "store/backup.h"
#include "store/sqlite_store.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;

// When a gateway does its housekeeping: a FastCGI process later, a CGI process before it ends.
enum class ProcessKind { kFastcgi, kCgi };
constexpr ProcessKind kProcessKinds[] = {ProcessKind::kFastcgi, ProcessKind::kCgi};

std::ostream& operator<<(std::ostream& out, ProcessKind kind) {
  return out << (kind == ProcessKind::kCgi ? "CGI" : "FastCGI");
}

struct SessionKeyWatch {
  GatewayFixture fixture;
  ProcessKind kind;
  // By session id: several pieces, because any part of the sealed keys may be left.
  std::map<std::string, std::vector<std::string>> secrets;

  explicit SessionKeyWatch(ProcessKind as) : kind(as) {}

  // A client with an active session, whose keys the test searches for from now on.
  Peer start(const std::string& name) {
    Peer peer = fixture.client(name);
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
    const std::string text = fixture.sql(
        "SELECT hex(sealed_keys) FROM session_key JOIN session ON session_key.id = session.keys "
        "WHERE hex(session_id) = upper('" +
        id + "')");
    const Bytes sealed = test::from_hex(text).value();
    BOOST_REQUIRE(sealed.size() == 104U);
    auto& of_this = secrets[id];
    // The nonce and pieces of the rest, to find a partly overwritten copy as well.
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
      const std::string file = test::read_text(fixture.home.store_paths().database + part);
      for (const std::string& secret : secrets.at(id)) {
        if (file.find(secret) != std::string::npos) ++count;
      }
    }
    return count;
  }

  // Under CGI there is a new process for every request.
  void end_of_process() {
    if (kind != ProcessKind::kCgi) return;
    fixture.gateway().prepare_exit();
    fixture.restart();
  }
  // The next housekeeping of a gateway.
  void tidy() {
    if (kind == ProcessKind::kCgi) return end_of_process();
    fixture.gateway().do_housekeeping(fixture.now, false);
    fixture.now += 5 * kMinute;
    fixture.gateway().do_housekeeping(fixture.now, false);
  }
};

BOOST_AUTO_TEST_CASE(database_holds_sealed_keys_of_live_session_and_never_plain_keys) {
  for (const ProcessKind kind : kProcessKinds) {
    SessionKeyWatch w(kind);
    const Peer peer = w.start("client1");
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) >= 6,
               kind << ": else the search finds nothing");
    for (const auto* key : {&peer.keys->c2s, &peer.keys->s2c}) {
      const std::string bare(text_of(key->reveal()));
      for (const char* part : {"", "-wal"}) {
        const std::string file = test::read_text(w.fixture.home.store_paths().database + part);
        BOOST_TEST(file.find(bare) == std::string::npos, kind);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takeover_leaves_no_key) {
  for (const ProcessKind kind : kProcessKinds) {
    SessionKeyWatch w(kind);
    Peer peer = w.start("client1");
    const std::string old = SessionKeyWatch::id_of(peer);
    w.begin(peer);
    w.tidy();
    BOOST_TEST(w.found(old) == 0, kind);
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) > 0, kind << ": the new one is there");
  }
}

BOOST_AUTO_TEST_CASE(expiry_leaves_no_key) {
  for (const ProcessKind kind : kProcessKinds) {
    SessionKeyWatch w(kind);
    const Peer peer = w.start("client1");
    Peer pending = w.fixture.client("pending");
    BOOST_REQUIRE(pending.handshake().status == "accepted");
    w.watch(pending);
    w.fixture.now += kPendingLife;
    Peer other = w.start("other");
    w.tidy();
    BOOST_TEST(w.found(SessionKeyWatch::id_of(pending)) == 0, kind << ": a pending one");
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) > 0, kind << ": this one lives");
    w.fixture.now = peer.session->expires_at;
    w.begin(other);  // the next write
    w.tidy();
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) == 0, kind << ": an active one");
  }
}

// An operator's command while a gateway runs.
void ended_by(const char* what, const std::function<void(SessionKeyWatch&, Clients&)>& deed) {
  for (const ProcessKind kind : kProcessKinds) {
    SessionKeyWatch w(kind);
    const Peer peer = w.start("client1");
    {
      Database database = w.fixture.database();
      Clients clients(database);
      deed(w, clients);
    }
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) == 0, what << ", " << kind);
  }
}

BOOST_AUTO_TEST_CASE(operator_command_leaves_no_key_at_once) {
  ended_by("revoke",
           [](SessionKeyWatch& w, Clients& clients) { clients.revoke("client1", w.fixture.now); });
  ended_by("remove",
           [](SessionKeyWatch& w, Clients& clients) { clients.remove("client1", w.fixture.now); });
  ended_by("session end",
           [](SessionKeyWatch&, Clients& clients) { (void)clients.end_sessions("client1"); });
  ended_by("key retire",
           [](SessionKeyWatch&, Clients& clients) { (void)clients.end_sessions_under(1); });
  ended_by("restore", [](SessionKeyWatch& w, Clients&) {
    Database database = w.fixture.database();
    const std::string file = w.fixture.folder / "backup";
    back_up(database, file);
    (void)restore(w.fixture.home.store_paths(), w.fixture.home.server_id(), file, w.fixture.now);
  });
}

BOOST_AUTO_TEST_CASE(new_epoch_leaves_no_key) {
  for (const ProcessKind kind : kProcessKinds) {
    SessionKeyWatch w(kind);
    Peer peer = w.start("client1");
    const Peer other = w.start("client2");
    // Like an old copy: the last message is missing, and this client's receipt proves it.
    w.fixture.sql("DELETE FROM message WHERE counter = 0 AND installation = 1");
    BOOST_TEST(peer.send().reply.status == 403, "the proof");
    BOOST_TEST(w.fixture.sql("SELECT epoch_reason FROM server") == "rollback");
    w.tidy();
    BOOST_TEST(w.found(SessionKeyWatch::id_of(peer)) == 0, kind);
    BOOST_TEST(w.found(SessionKeyWatch::id_of(other)) == 0, kind << ": every session ended");
  }
}

BOOST_AUTO_TEST_CASE(gateway_erases_keys_left_by_killed_process) {
  SessionKeyWatch w(ProcessKind::kFastcgi);
  Peer peer = w.start("client1");
  const std::string old = SessionKeyWatch::id_of(peer);
  w.begin(peer);
  w.fixture.restart();
  BOOST_TEST(peer.send().status == "accepted", "the next process");
  BOOST_TEST(w.found(old) > 0, "else there was nothing to tidy");
  w.tidy();
  BOOST_TEST(w.found(old) == 0);
}

// A log line with the client's name shows that the process still had the keys.
BOOST_AUTO_TEST_CASE(erases_cached_keys_of_session_ended_by_another_process) {
  SessionKeyWatch w(ProcessKind::kFastcgi);
  Peer peer = w.start("client1");
  Peer other = w.start("client2");
  const auto last_line = [&] {
    const std::string log = w.fixture.log();
    return log.substr(log.rfind('\n', log.size() - 2) + 1);
  };
  w.tidy();  // like a process that has run for long and has ended no session itself
  for (Peer* one : {&peer, &other}) BOOST_TEST(one->send().status == "accepted");
  w.fixture.sql("DELETE FROM session");
  BOOST_TEST(other.send().reply.status == 403);
  BOOST_TEST(last_line().find("client2") != std::string::npos, "it still knew the keys");
  w.tidy();
  BOOST_TEST(peer.send().reply.status == 403);
  BOOST_TEST(last_line().find("client1") == std::string::npos, last_line());
}

// SQLite moves rows between pages as a tree grows and shrinks.  No copy may be left.
BOOST_AUTO_TEST_CASE(hundreds_of_ended_sessions_leave_no_key) {
  SessionKeyWatch w(ProcessKind::kFastcgi);
  std::vector<Peer> peers;
  for (int i = 0; i < 150; ++i) peers.push_back(w.start("client" + std::to_string(i)));
  std::vector<std::string> ended;
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    Peer& peer = peers[random() % peers.size()];
    ended.push_back(SessionKeyWatch::id_of(peer));
    w.begin(peer);
  }
  w.tidy();
  int left = 0;
  for (const std::string& id : ended) left += w.found(id);
  BOOST_TEST(left == 0);
  BOOST_TEST(w.found(SessionKeyWatch::id_of(peers[0])) > 0);
}

}  // namespace
}  // namespace sealpost
