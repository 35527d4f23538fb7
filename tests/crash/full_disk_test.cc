// A disk that is really full: a small file system, which only root can mount.
#define BOOST_TEST_MODULE full_disk
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>

#include "crash/network_disk.h"
#include "support/gateway_fixture.h"

namespace sealpost::test {
namespace {

constexpr std::size_t kBlock = 4096;

// A file system of 2 MiB, which contains $TMPDIR.
class SmallDisk {
 public:
  SmallDisk() {
    is_there_ = mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=2m,mode=0700") == 0;
    if (!is_there_) {
      std::cout << "SKIPPED " << boost::unit_test::framework::current_test_case().p_name
                << ": no file system can be mounted here (" << std::strerror(errno) << ")\n";
    }
    setenv("TMPDIR", folder_.path().c_str(), 1);
  }
  ~SmallDisk() {
    unsetenv("TMPDIR");
    if (former_) setenv("TMPDIR", former_->c_str(), 1);
    if (is_there_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool is_there() const { return is_there_; }

  // Leaves so many blocks free.
  void fill(std::size_t left) const {
    make_room();
    struct statvfs status {};
    statvfs(folder_.path().c_str(), &status);
    BOOST_REQUIRE(status.f_bavail >= left);
    write_text(ballast(), std::string((status.f_bavail - left) * kBlock, 'x'));
  }
  void make_room() const { std::filesystem::remove(ballast()); }

 private:
  [[nodiscard]] std::string ballast() const { return folder_ / "ballast"; }

  std::optional<std::string> former_ = std::getenv("TMPDIR") == nullptr
                                           ? std::nullopt
                                           : std::optional<std::string>(std::getenv("TMPDIR"));
  TempDir folder_;
  bool is_there_ = false;
};

struct FullDiskClient {
  GatewayFixture fixture;
  Peer peer = fixture.client();
  std::set<std::string> told;

  // Sends, and returns whether the message is accepted.
  bool send(const Message& message) {
    const RoundTrip exchange = peer.send(message);
    if (exchange.status == "accepted" || exchange.status == "duplicate") {
      told.emplace(text_of(message.body));
      return true;
    }
    BOOST_TEST(exchange.reply.status == 503);
    BOOST_TEST((exchange.status.empty() || exchange.status == "unavailable"), exchange.status);
    return false;
  }
  void start_session() {
    peer.handshake();
    BOOST_REQUIRE(send(peer.message("hello")));
  }
  // Sends until the disk is full, and returns the message that was not accepted.
  Message send_all(const std::string& name) {
    for (int i = 0; i < 200; ++i) {
      const Message message = peer.message(name + std::to_string(i) + std::string(2000, ' '));
      if (!send(message)) return message;
    }
    throw std::runtime_error("the disk does not get full");
  }
  void check() const {
    std::multiset<std::string> stored;
    for (const InboxRow& row : fixture.inbox()) stored.emplace(text_of(row.body));
    BOOST_TEST((stored == std::multiset(told.begin(), told.end())),
               "what was accepted is there, once, and nothing else");
    BOOST_TEST(fixture.sql("PRAGMA integrity_check") == "ok");
  }
};

void fill_disk_and_recover() {
  const SmallDisk disk;
  if (!disk.is_there()) return;
  FullDiskClient client;
  client.start_session();
  for (const std::size_t blocks : {0U, 1U, 2U, 3U, 5U, 8U, 11U, 16U, 23U, 34U}) {
    BOOST_TEST_CONTEXT(blocks << " blocks left") {
      client.fixture.gateway().prepare_exit();
      disk.fill(blocks);
      const Message message = client.send_all(std::to_string(blocks) + "-");
      disk.make_room();
      BOOST_TEST(client.send(message), "with room it is accepted at once");
    }
  }
  client.check();
}

BOOST_AUTO_TEST_CASE(full_disk_loses_no_message_and_gateway_recovers) { fill_disk_and_recover(); }

BOOST_AUTO_TEST_CASE(full_disk_loses_no_message_with_rollback_journal) {
  const NetworkDisk network;
  fill_disk_and_recover();
}

BOOST_AUTO_TEST_CASE(gateway_started_on_full_disk_recovers) {
  const SmallDisk disk;
  if (!disk.is_there()) return;
  FullDiskClient client;
  client.start_session();
  for (const std::size_t blocks : {0U, 1U, 4U, 9U}) {
    BOOST_TEST_CONTEXT(blocks << " blocks left") {
      const Message before = client.peer.message("before " + std::to_string(blocks));
      BOOST_TEST(client.send(before));
      client.fixture.restart();
      disk.fill(blocks);
      const Message message = client.send_all(std::to_string(blocks) + "-");
      disk.make_room();
      BOOST_TEST(client.send(message));
      BOOST_TEST(client.peer.send(before).status == "duplicate");
    }
  }
  client.check();
}

}  // namespace
}  // namespace sealpost::test
