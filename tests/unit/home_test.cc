// The home directory and its master keys.
#define BOOST_TEST_MODULE home
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "store/health.h"
#include "support/gateway_fixture.h"
#include "support/hex.h"
#include "support/print.h"
#include "support/says.h"

namespace sealpost {
namespace {

using test::GatewayFixture;
using test::Peer;
using test::says;

BOOST_AUTO_TEST_CASE(creates_home_once_and_completes_missing_parts) {
  umask(077);  // as the programs set it
  const test::TempDir folder;
  const Home home(folder / "home");
  home.create(system_now());
  BOOST_CHECK_EXCEPTION(home.create(system_now()), Fault,
                        [](auto& f) { return says(f, "home already"); });
  const ServerId id = home.server_id();
  std::filesystem::remove(home.store_paths().database);
  home.create(system_now());
  BOOST_TEST((home.server_id() == id), "the keys are kept");
}

BOOST_AUTO_TEST_CASE(rejects_home_folder_open_to_others) {
  const test::TempDir folder;
  std::filesystem::create_directory(folder / "open");
  std::filesystem::permissions(folder / "open", std::filesystem::perms(0755));
  const Home home(folder / "open");
  BOOST_CHECK_EXCEPTION(home.create(system_now()), Fault,
                        [](auto& f) { return says(f, "chmod 700"); });
  BOOST_TEST(std::filesystem::is_empty(folder / "open"));
}

BOOST_AUTO_TEST_CASE(rejects_file_as_home) {
  const test::TempDir folder;
  test::write_text(folder / "sealpost", "a program");
  BOOST_CHECK_EXCEPTION(Home(folder / "sealpost").create(system_now()), Fault, [](auto& f) {
    return says(f, "is a file, not a directory. Name a directory with --home.");
  });
}

BOOST_AUTO_TEST_CASE(home_has_htaccess_that_denies_access) {
  const GatewayFixture fixture;
  const std::string file = fixture.home.root() + "/.htaccess";
  BOOST_TEST(test::read_text(file).find("Require all denied") != std::string::npos);
  BOOST_TEST(test::read_text(file).find("Deny from all") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(does_not_replace_lost_keys_of_existing_database) {
  namespace fs = std::filesystem;
  GatewayFixture fixture;
  (void)fixture.client();
  const auto expect_rejected = [&](const char* word) {
    BOOST_CHECK_EXCEPTION(fixture.home.create(fixture.now), Fault,
                          [&](auto& f) { return says(f, word) && says(f, "from a copy"); });
  };
  const StorePaths paths = fixture.home.store_paths();
  fs::rename(fixture.home.keys_folder(), fixture.folder / "copy");
  expect_rejected("server_id is lost");
  BOOST_TEST(!fs::exists(fixture.home.keys_folder()), "nothing was written");
  fs::rename(fixture.folder / "copy", fixture.home.keys_folder());
  fs::rename(fixture.home.keys_folder() + "/1.key", fixture.folder / "1.key");
  BOOST_CHECK_EXCEPTION(fixture.home.add_key(), Fault, [](auto& f) { return says(f, "copy"); });
  fs::remove(paths.database);
  expect_rejected("holds no master key");
  fs::remove(fixture.home.keys_folder() + "/server_id");
  expect_rejected("server_id is lost");
  BOOST_TEST(!fs::exists(paths.database));
}

BOOST_AUTO_TEST_CASE(never_reuses_retired_kid) {
  GatewayFixture fixture;
  BOOST_TEST(fixture.home.add_key() == 2);
  Database database = fixture.database();
  Clients clients(database);
  const Claims claims = *Claims::of({{"role", "r"}});
  clients.add("a", 2, claims, fixture.now);
  fixture.home.remove_key(2);
  clients.renew("a", 1, claims, fixture.now);
  BOOST_TEST(fixture.home.add_key() == 3, "the issuance log names 2");
  BOOST_TEST(fixture.home.add_key(7) == 8, "and the database may know of more");
}

BOOST_AUTO_TEST_CASE(answers_503_without_master_key) {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  peer.handshake();
  std::filesystem::rename(fixture.home.keys_folder() + "/1.key", fixture.folder / "1.key");
  BOOST_TEST(peer.handshake().reply.status == 503);
  BOOST_TEST(peer.send().reply.status == 503);
  BOOST_TEST(fixture.wire()("encrypted_message=EgAA").status == 503,
             "an unauthenticated request as well");
  std::filesystem::rename(fixture.folder / "1.key", fixture.home.keys_folder() + "/1.key");
  BOOST_TEST(peer.send().status == "accepted");
}

BOOST_AUTO_TEST_CASE(running_gateway_follows_key_changes) {
  GatewayFixture fixture;
  Peer old = fixture.client("old");
  BOOST_TEST(old.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  BOOST_TEST(fixture.home.add_key() == 2);
  BOOST_TEST(fixture.home.newest_kid() == 2);
  Peer fresh = fixture.client("fresh");
  BOOST_TEST(fresh.credential.kid == 2);
  BOOST_TEST(fresh.handshake().status == "accepted");
  BOOST_TEST(old.send().status == "accepted");
  fixture.home.remove_key(1);
  BOOST_TEST(old.send().reply.status == 403);
  BOOST_TEST(old.handshake().reply.status == 403);
  BOOST_TEST(fresh.send().status == "accepted");
  BOOST_CHECK_EXCEPTION(fixture.home.remove_key(1), Fault,
                        [](auto& f) { return says(f, "no key 1"); });
  BOOST_CHECK_EXCEPTION(fixture.home.remove_key(2), Fault,
                        [](auto& f) { return says(f, "rotate"); });
}

}  // namespace
}  // namespace sealpost
