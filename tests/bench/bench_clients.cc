#include "bench/bench_clients.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace sealpost::bench {
namespace {

std::string name_of(std::uint64_t client) {
  const std::string digits = std::to_string(client);
  return "c" + std::string(8 - digits.size(), '0') + digits;
}

crypto::Digest derived(std::string_view purpose, std::uint64_t client) {
  return crypto::sha256({bytes_of(purpose), Writer().u64(client).view()});
}

template <class T>
T id(std::string_view purpose, std::uint64_t client) {
  const crypto::Digest digest = derived(purpose, client);
  T out;
  std::copy_n(digest.bytes.begin(), T::kSize, out.bytes.begin());
  return out;
}

crypto::Key key(std::string_view purpose, std::uint64_t client) {
  return crypto::Key(derived(purpose, client).bytes);
}

Home made(const std::string& path) {
  Home home(path);
  if (access(home.store_paths().database.c_str(), F_OK) != 0) home.create(system_now());
  return home;
}

void sync(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fsync(file) != 0) throw Fault("fsync");
  close(file);
}

template <class... Values>
void insert(SQLite::Statement& statement, Values&&... values) {
  int at = 0;
  const auto bind = [&](const auto& value) {
    if constexpr (
        requires { ByteView(value); } && !requires { value.c_str(); }) {
      const ByteView bytes(value);
      statement.bind(++at, bytes.data(), static_cast<int>(bytes.size()));
    } else {
      statement.bind(++at, value);
    }
  };
  (bind(values), ...);
  statement.exec();
  statement.reset();
}

}  // namespace

BenchClients::BenchClients(const std::string& home)
    : home_(made(home)),
      keyring_(home_.keyring()),
      kid_(home_.newest_kid()),
      claims_(*Claims::of({{"role", "sensor"}})) {}

void BenchClients::create_clients(std::uint64_t count) const {
  const std::string path = home_.store_paths().database;
  SQLite::Database db(path, SQLite::OPEN_READWRITE);
  db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000");
  db.exec("BEGIN");
  SQLite::Statement client(
      db, "INSERT INTO client (name, generation, kid, claims, issued_at) VALUES (?, 1, ?, ?, ?)");
  SQLite::Statement installation(
      db,
      "INSERT INTO installation (id, name, generation, install_nonce, since) "
      "VALUES (?, ?, 1, ?, ?)");
  SQLite::Statement session_key(db, "INSERT INTO session_key VALUES (?, 1, ?)");
  SQLite::Statement session(db, "INSERT INTO session VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)");
  const auto now = static_cast<std::int64_t>(to_ms(system_now()));
  const std::int64_t end = now + static_cast<std::int64_t>((24 * kHour).count());

  // In the order of the table's key, which is that of no client's number.
  std::vector<std::pair<SessionId, std::uint64_t>> sessions;
  for (std::uint64_t i = 0; i < count; ++i) {
    insert(client, name_of(i), kid_, claims_.json(), now);
    insert(installation, static_cast<std::int64_t>(i + 1), name_of(i),
           id<InstallNonce>("installation", i), now);
    sessions.emplace_back(id<SessionId>("session", i), i);
  }
  std::sort(sessions.begin(), sessions.end());
  for (const auto& [session_id, i] : sessions) {
    const SessionKeys keys{key("c2s", i), key("s2c", i)};
    const auto row = static_cast<std::int64_t>(i + 1);
    insert(
        session_key, row,
        keyring_.seal_session_keys(kid_, session_id, name_of(i), keys, crypto::random_array<24>()));
    insert(session, session_id, name_of(i), kid_, id<InstallNonce>("installation", i), row, row,
           now, end, end);
  }
  db.exec("COMMIT");
  db.exec("PRAGMA journal_mode = WAL");
  sync(path);
}

Credential BenchClients::credential(std::uint64_t client) const {
  return Credential::issue(keyring_, kid_, name_of(client), 1, claims_, "");
}

std::string BenchClients::sealed(const crypto::Key& key, std::uint64_t client,
                                 std::uint64_t counter, const std::string& topic,
                                 std::size_t body_size) const {
  const Message message{counter, crypto::random_id<MessageId>(), topic, Bytes(body_size, 'x')};
  const ClaimsProof proof{
      {}, claims_, keyring_.key_use_hmac(kid_, name_of(client), 1, claims_.encode())};
  return seal_record(key, id<SessionId>("session", client), crypto::random_array<32>(), {}, message,
                     proof, system_now(), counter)
      .form();
}

std::string BenchClients::record(std::uint64_t client, std::uint64_t counter,
                                 const std::string& topic, std::size_t body_size) const {
  return sealed(key("c2s", client), client, counter, topic, body_size);
}

std::string BenchClients::forged(std::uint64_t client, std::size_t body_size) const {
  return sealed(crypto::random_key(), client, 0, "t", body_size);
}

std::string BenchClients::handshake(std::uint64_t client) const {
  const ClientHandshake call(credential(client), id<InstallNonce>("installation", client), {},
                             system_now(), false, crypto::random_key());
  return call.envelope().form();
}

}  // namespace sealpost::bench
