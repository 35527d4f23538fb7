// A home with one client and one active session, and a store on it.
#pragma once

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "store/clients.h"
#include "store/home.h"
#include "store/sqlite_store.h"
#include "support/opened_record.h"
#include "support/temp_dir.h"

namespace sealpost::test {

using Verdict = Admission::Verdict;

constexpr Time kNow = time_from_ms(1'790'000'000'000);

// A home with one client and one active session, and a store on it.
struct StoreFixture {
  test::TempDir folder;
  Home home{folder / "home"};
  Session session{SessionId{1}, 1, {"client1", 1, InstallNonce{2}}};
  std::unique_ptr<SqliteStore> store;
  std::optional<Keyring> ring;
  AdmissionLimits limits;

  StoreFixture() {
    umask(077);
    home.create(kNow);
    ring = home.keyring();
    {
      Database database(home.store_paths(), home.server_id());
      Clients(database).add("client1", 1, *Claims::of({{"role", "sensor"}}), kNow);
    }
    store = std::make_unique<SqliteStore>(home.store_paths(), home.server_id());
    BOOST_REQUIRE((start_session(session, 1).verdict == SessionStart::Verdict::kStarted));
  }
  SessionStart start_session(const Session& of, std::uint8_t handshake, Time now = kNow) {
    return store->start_session({of, Bytes(104), crypto::Digest{handshake}, {}, now + 24 * kHour},
                                *ring, now);
  }
  Admission admit(std::uint64_t counter, std::uint8_t id = 0, Decision decision = Decision::kInbox,
                  Time now = kNow) {
    Candidate one = test::candidate(session, {counter, MessageId{id}, "t", Bytes{id}}, decision);
    Candidate* const batch = &one;
    return store->admit({&batch, 1}, *ring, limits, now).front();
  }
  [[nodiscard]] SQLite::Database raw() const {
    return {home.store_paths().database, SQLite::OPEN_READWRITE, 1000};
  }
  [[nodiscard]] std::string sql(const std::string& statement) const {
    SQLite::Database at = raw();
    SQLite::Statement query(at, statement);
    return query.executeStep() ? query.getColumn(0).getString() : "";
  }
};

}  // namespace sealpost::test
