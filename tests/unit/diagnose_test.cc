// The checks of `sealpost doctor`.
#define BOOST_TEST_MODULE diagnose
#include "admin/diagnose.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "store/backup.h"
#include "store/health.h"
#include "store/issuance_log.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::says;

int broken(const std::vector<CheckResult>& findings, const std::string& word) {
  int count = 0;
  for (const CheckResult& finding : findings) {
    count +=
        finding.kind == CheckResult::Kind::kBroken && finding.what.find(word) != std::string::npos;
  }
  return count;
}

BOOST_AUTO_TEST_CASE(doctor_accepts_healthy_home) {
  GatewayFixture fixture;
  fixture.client().handshake();
  BOOST_TEST(broken(examine(fixture.home, fixture.now), "") == 0);
}

BOOST_AUTO_TEST_CASE(doctor_reports_message_that_no_handler_can_be_given) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  peer.send("good");
  peer.send("bad");
  fixture.sql("UPDATE message SET status = 2, leased_until = 1");
  BOOST_TEST(broken(examine(fixture.home, fixture.now), "is in progress") == 0);
  fixture.sql("UPDATE message SET claims = NULL WHERE id = 2");
  BOOST_TEST(broken(examine(fixture.home, fixture.now), "Message 2 is in progress") == 1);
}

BOOST_AUTO_TEST_CASE(doctor_reports_each_problem) {
  namespace fs = std::filesystem;
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "chmod 700") == 1);
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.keys_folder() + "/1.key", fs::perms::others_read,
                    fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "chmod 600") == 1);
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root() + "/gate", fs::perms::others_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "/gate is open") == 1);
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.keys_folder() + "/1.key", "short\n");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "1.key") == 1);
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.keys_folder() + "/issued", "rubbish\n");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "issued: line 1") == 1);
  }
  {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.handshake();
    peer.send();
    BOOST_TEST(broken(examine(fixture.home, fixture.now - kHour), "Set the clock") == 1);
  }
  {
    GatewayFixture fixture;
    fixture.restart();
    fs::remove(fixture.home.store_paths().database);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "sealpost.db is missing") >= 1);
  }
  {
    GatewayFixture fixture;
    Peer peer = fixture.client();
    peer.handshake();
    for (int i = 0; i < 50; ++i) peer.send(std::string(500, 'x'));
    fixture.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    fixture.restart();
    std::string bytes = test::read_text(fixture.home.store_paths().database);
    for (std::size_t i = bytes.size() - 30'000; i < bytes.size() - 8'000; ++i) bytes[i] = 'x';
    test::write_text(fixture.home.store_paths().database, bytes);
    const auto findings = examine(fixture.home, fixture.now);
    BOOST_TEST(broken(findings, "damaged") >= 1);
    BOOST_TEST(broken(findings, "\n") == 0, "one line a finding");
  }
  {
    GatewayFixture fixture;
    fs::permissions(fixture.home.root(), fs::perms::group_read, fs::perm_options::add);
    fs::permissions(fixture.home.root() + "/gate", fs::perms::group_read, fs::perm_options::add);
    fs::permissions(fixture.home.keys_folder(), fs::perms::group_read, fs::perm_options::add);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "is open to other users") == 3,
               "every one");
  }
  {
    GatewayFixture fixture;
    test::write_text(fixture.home.root() + "/handler", "");
    fs::permissions(fixture.home.root() + "/handler", fs::perms(0755));
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "Run `chmod 700") == 1,
               "still a program");
  }
  {
    GatewayFixture fixture;
    fs::remove(fixture.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "holds no master key") == 1);
  }
  {
    GatewayFixture fixture;
    (void)fixture.client("a");
    (void)fixture.client("revoked");
    Database database = fixture.database();
    Clients(database).revoke("revoked", fixture.now);
    fixture.home.add_key();
    fs::remove(fixture.home.keys_folder() + "/1.key");
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "Key 1 of the client a does not exist") ==
               1);
    BOOST_TEST(broken(examine(fixture.home, fixture.now), "revoked does not exist") == 0);
  }
  {
    GatewayFixture fixture;
    (void)fixture.client("a");
    fs::remove(fixture.home.store_paths().issuance_log);
    BOOST_TEST(broken(examine(fixture.home, fixture.now),
                      "No credential of the client a is on record") == 1);
  }
}

BOOST_AUTO_TEST_CASE(doctor_reports_home_below_document_root) {
  const test::TempDir folder;
  const auto made_at = [&](const std::string& place) {
    std::filesystem::create_directories(folder / place);
    Home home(folder / place + "/home");
    home.create(system_now());
    return home;
  };
  const auto served = [](const Home& home) {
    return broken(examine(home, system_now()),
                  "which looks like a directory that the web server serves");
  };
  BOOST_TEST(served(made_at("private")) == 0, "its own .htaccess is no sign");
  BOOST_TEST(served(made_at("public_html/gate")) == 1);
  BOOST_TEST(served(made_at("www")) == 1);
  const Home home = made_at("site/deep");
  for (const char* file : {"index.html", "index.php", ".htaccess"}) {
    test::write_text(folder / "site" + "/" + file, "");
    BOOST_TEST(served(home) == 1, file);
    std::filesystem::remove(folder / "site" + "/" + file);
  }
  BOOST_TEST(served(home) == 0);
}

// A folder that is not this user's.
std::string another_users(const test::TempDir& folder) {
  if (geteuid() != 0) return "/usr";
  std::filesystem::create_directory(folder / "theirs");
  BOOST_REQUIRE(chown((folder / "theirs").c_str(), 65'534, 65'534) == 0);
  return folder / "theirs";
}

BOOST_AUTO_TEST_CASE(doctor_reports_another_users_home_once) {
  const test::TempDir folder;
  const Home home(another_users(folder));
  BOOST_CHECK_EXCEPTION(home.require_ours(), Fault, [](auto& f) {
    return says(f, "belongs to ") && says(f, "as that user: sudo -u ");
  });
  BOOST_CHECK_THROW(home.create(system_now()), Fault);
  const auto findings = examine(home, system_now());
  BOOST_TEST(findings.size() == 1U);
  BOOST_TEST(broken(findings, "belongs to ") == 1);
}

BOOST_AUTO_TEST_CASE(doctor_tells_unreachable_path_from_missing_one) {
  if (geteuid() == 0) return;  // root reaches all
  GatewayFixture fixture;
  std::filesystem::permissions(fixture.folder.path(), std::filesystem::perms::none);
  const auto unreachable = [](const Fault& f) {
    return says(f, " cannot open ") && !says(f, "missing");
  };
  BOOST_CHECK_EXCEPTION(fixture.home.require_private(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION((void)fixture.home.server_id(), Fault, unreachable);
  BOOST_CHECK_EXCEPTION(fixture.home.require_ours(), Fault, unreachable);
  std::filesystem::permissions(fixture.folder.path(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace sealpost
