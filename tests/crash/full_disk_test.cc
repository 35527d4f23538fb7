// A disk that is really full: a small file system of its own, which only root can mount.
#define BOOST_TEST_MODULE full_disk
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>

#include "crash/network_disk.h"
#include "support/house.h"

namespace sealpost::test {
namespace {

constexpr std::size_t kBlock = 4096;

// Two MiB of it, with $TMPDIR in them.
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

  // Leaves room for so many blocks.
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

struct LoadClient {
  TestHouse house;
  Peer peer = house.client();
  std::set<std::string> told;

  // Whether it is there now; its client was told so.
  bool send(const Message& message) {
    const Exchange exchange = peer.send(message);
    if (exchange.status == "accepted" || exchange.status == "duplicate") {
      told.emplace(text_of(message.body));
      return true;
    }
    BOOST_TEST(exchange.reply.status == 503);
    BOOST_TEST((exchange.status.empty() || exchange.status == "unavailable"), exchange.status);
    return false;
  }
  void greet() {
    peer.handshake();
    BOOST_REQUIRE(send(peer.message("hello")));
  }
  // Sends until there is no room.
  Message send_all(const std::string& name) {
    for (int i = 0; i < 200; ++i) {
      const Message message = peer.message(name + std::to_string(i) + std::string(2000, ' '));
      if (!send(message)) return message;
    }
    throw std::runtime_error("this disk is never full");
  }
  void check() const {
    std::multiset<std::string> stored;
    for (const InboxRow& row : house.inbox()) stored.emplace(text_of(row.body));
    BOOST_TEST((stored == std::multiset(told.begin(), told.end())),
               "what was accepted is there, once, and nothing else");
    BOOST_TEST(house.sql("PRAGMA integrity_check") == "ok");
  }
};

void run_out_of_room() {
  const SmallDisk disk;
  if (!disk.is_there()) return;
  LoadClient sender;
  sender.greet();
  for (const std::size_t blocks : {0U, 1U, 2U, 3U, 5U, 8U, 11U, 16U, 23U, 34U}) {
    BOOST_TEST_CONTEXT(blocks << " blocks left") {
      sender.house.gateway().trim();
      disk.fill(blocks);
      const Message message = sender.send_all(std::to_string(blocks) + "-");
      disk.make_room();
      BOOST_TEST(sender.send(message), "with room it is taken at once");
    }
  }
  sender.check();
}

BOOST_AUTO_TEST_CASE(a_full_disk_loses_nothing_and_with_room_the_gateway_goes_on) {
  run_out_of_room();
}

BOOST_AUTO_TEST_CASE(so_it_is_with_a_rollback_journal) {
  const NetworkDisk network;
  run_out_of_room();
}

BOOST_AUTO_TEST_CASE(a_gateway_that_starts_on_a_full_disk_recovers_too) {
  const SmallDisk disk;
  if (!disk.is_there()) return;
  LoadClient sender;
  sender.greet();
  for (const std::size_t blocks : {0U, 1U, 4U, 9U}) {
    BOOST_TEST_CONTEXT(blocks << " blocks left") {
      const Message before = sender.peer.message("before " + std::to_string(blocks));
      BOOST_TEST(sender.send(before));
      sender.house.restart();
      disk.fill(blocks);
      const Message message = sender.send_all(std::to_string(blocks) + "-");
      disk.make_room();
      BOOST_TEST(sender.send(message));
      BOOST_TEST(sender.peer.send(before).status == "duplicate");
    }
  }
  sender.check();
}

}  // namespace
}  // namespace sealpost::test
