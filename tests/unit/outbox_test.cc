// A client's state and outbox on disk.
#define BOOST_TEST_MODULE outbox
#include "client/outbox.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "base/files.h"
#include "sealpost/client.h"
#include "support/print.h"
#include "support/says.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

using test::says;

Credential credential(const std::string& name = "client1", Generation generation = 1) {
  Keyring keyring(ServerId{1});
  keyring.add(1, crypto::Key());
  return Credential::issue(keyring, 1, name, generation, *Claims::of({{"role", "r"}}), "http://x/");
}

ClientState full_state() {
  ClientState state = ClientState::fresh(credential());
  state.next = 7;
  state.must_reinstall = true;
  state.epoch = Epoch{4};
  state.receipt = Receipt{6, {5}};
  state.offset = ClockOffset{-12345};
  state.takeovers = {time_from_ms(1), time_from_ms(2)};
  state.session = ClientSession{
      SessionId{8}, {crypto::random_key(), crypto::random_key()}, time_from_ms(99), 1000, true};
  return state;
}

BOOST_AUTO_TEST_CASE(state_survives_round_trip) {
  const ClientState state = full_state();
  const auto again = ClientState::decode(state.encode());
  BOOST_REQUIRE(static_cast<bool>(again));
  BOOST_TEST(again->belongs_to(credential()));
  BOOST_TEST((again->install_nonce == state.install_nonce));
  BOOST_TEST(again->next == 7U);
  BOOST_TEST(again->must_reinstall);
  BOOST_TEST((again->epoch == state.epoch));
  BOOST_TEST((again->receipt == state.receipt));
  BOOST_TEST(again->offset == ClockOffset{-12345});
  BOOST_TEST((again->takeovers == state.takeovers));
  BOOST_REQUIRE(again->session.has_value());
  BOOST_TEST((again->session->id == state.session->id));
  BOOST_TEST((again->session->keys.c2s == state.session->keys.c2s));
  BOOST_TEST((again->session->keys.s2c == state.session->keys.s2c));
  BOOST_TEST(again->session->expires_at == time_from_ms(99));
  BOOST_TEST(again->session->max_body == 1000U);
  BOOST_TEST(again->session->worked);
  BOOST_TEST(!ClientState::decode(ClientState::fresh(credential()).encode())->session.has_value());
}

BOOST_AUTO_TEST_CASE(state_with_changed_or_missing_byte_is_damaged) {
  const crypto::SecretBytes bytes = full_state().encode();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    crypto::SecretBytes changed = bytes;
    changed[i] ^= 1;
    BOOST_TEST(!ClientState::decode(changed));
    BOOST_TEST(!ClientState::decode(ByteView(bytes).first(i)));
  }
}

BOOST_AUTO_TEST_CASE(state_belongs_to_one_credential) {
  const ClientState state = ClientState::fresh(credential());
  BOOST_TEST(state.belongs_to(credential()));
  BOOST_TEST(!state.belongs_to(credential("client2")));
  BOOST_TEST(!state.belongs_to(credential("client1", 2)));
  BOOST_TEST((ClientState::fresh(credential()).install_nonce != state.install_nonce));
}

struct InstalledOutbox {
  test::TempDir folder;
  std::string path = folder / "deep/state";
  Outbox outbox{path};

  InstalledOutbox() { install(); }
  void install() const {
    const crypto::SecretText text = credential().json();
    outbox.install(bytes_of(text), ClientState::fresh(credential()));
  }
};

BOOST_AUTO_TEST_CASE(stores_credential_and_state_readable_by_owner_only) {
  umask(022);  // the modes must not depend on it
  const InstalledOutbox it;
  BOOST_TEST(it.outbox.is_installed());
  BOOST_TEST(it.outbox.credential().name == "client1");
  BOOST_TEST(it.outbox.state().belongs_to(credential()));
  (void)it.outbox.store("t", "body");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(it.path)) {
    struct stat status {};
    stat(entry.path().c_str(), &status);
    BOOST_TEST((status.st_mode & 077) == 0U, entry.path());
  }
  struct stat status {};
  stat(it.path.c_str(), &status);
  BOOST_TEST((status.st_mode & 0777) == 0700U);
}

BOOST_AUTO_TEST_CASE(missing_installation_is_reported) {
  const test::TempDir folder;
  const Outbox outbox(folder / "state");
  BOOST_TEST(!outbox.is_installed());
  BOOST_CHECK_EXCEPTION((void)outbox.credential(), Fault, [](const Fault& fault) {
    return std::string(fault.what()).find("install") != std::string::npos;
  });
}

// A credential file, and an obstacle at a path that an installation writes: the installation stops
// there.
struct InterruptedInstall {
  const InstalledOutbox& it;
  std::string file = it.path + ".json";
  std::string in_the_way;

  InterruptedInstall(const InstalledOutbox& installed, const Credential& wanted,
                     const std::string& at)
      : it(installed), in_the_way(it.path + "/." + at + "." + std::to_string(getpid())) {
    test::write_text(file, std::string(wanted.json()));
    std::filesystem::create_directory(in_the_way);
  }
  void install() const { (void)Client({.state = it.path}).install(file); }
};

BOOST_AUTO_TEST_CASE(installing_same_credential_keeps_state) {
  const InstalledOutbox it;
  ClientState state = it.outbox.state();
  state.next = 7;
  it.outbox.save(state);
  const std::string before = test::read_text(it.path + "/state");
  const InterruptedInstall interrupted(it, credential(), "credential.json");
  BOOST_CHECK_THROW(interrupted.install(), Fault);
  BOOST_TEST((test::read_text(it.path + "/state") == before));
  BOOST_TEST(it.outbox.credential().name == "client1");
}

BOOST_AUTO_TEST_CASE(interrupted_install_of_new_credential_is_reported_until_repeated) {
  const InstalledOutbox it;
  for (const char* at : {"credential.json", "state"}) {
    const InterruptedInstall interrupted(it, credential("client2"), at);
    BOOST_CHECK_THROW(interrupted.install(), Fault);
    BOOST_TEST(it.outbox.state().belongs_to(credential()), at);
    std::filesystem::remove(interrupted.in_the_way);
  }
  BOOST_TEST(it.outbox.former_state()->belongs_to(credential()), "whatever credential.json says");
  it.install();
  BOOST_TEST(it.outbox.credential().name == "client1");
}

BOOST_AUTO_TEST_CASE(copied_credential_must_be_installed) {
  const InstalledOutbox it;
  (void)it.outbox.store("t", "client1's");
  for (const Credential& other : {credential("client2"), credential("client1", 2)}) {
    test::write_text(it.path + "/credential.json", std::string(other.json()));
    const auto to_install = [](const std::exception& error) {
      return says(error, "not the credential that was installed there") &&
             says(error, "`sealpost-client install FILE`");
    };
    Client client({.state = it.path});
    BOOST_CHECK_EXCEPTION((void)client.send("t", "x"), Fault, to_install);
    BOOST_CHECK_EXCEPTION(client.queue("t", "x"), Fault, to_install);
    BOOST_CHECK_EXCEPTION((void)client.flush(), Fault, to_install);
    BOOST_CHECK_EXCEPTION((void)client.ping(), Fault, to_install);
    BOOST_TEST(it.outbox.entries().size() == 1U);
  }
  test::write_text(it.path + ".json", std::string(credential("client2").json()));
  test::write_text(it.path + "/credential.json", std::string(credential("client2").json()));
  BOOST_CHECK_EXCEPTION(
      (void)Client({.state = it.path}).install(it.path + ".json"), Fault, [](const Fault& fault) {
        return says(fault, "Messages of the former credential are still open (1)");
      });
}

BOOST_AUTO_TEST_CASE(queues_messages_in_order_before_numbering) {
  const InstalledOutbox it;
  const Outbox::Entry first = it.outbox.store("a", "1");
  const Outbox::Entry second = it.outbox.store("b", std::string("2\0", 2));
  BOOST_TEST(!first.counter.has_value());
  const Message before = it.outbox.read(second).value();
  BOOST_TEST(before.topic == "b");
  BOOST_TEST(before.body.size() == 2U);

  const Outbox::Entry numbered = it.outbox.assign_counter(second, 12);
  auto entries = it.outbox.entries();
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(entries[0].counter.value() == 12U);
  BOOST_TEST(entries[1].file == first.file);
  const Message after = it.outbox.read(numbered).value();
  BOOST_TEST(after.counter == 12U);
  BOOST_TEST((after.id == before.id), "numbering changes nothing else");

  (void)it.outbox.assign_counter(first, 9);
  entries = it.outbox.entries();
  BOOST_TEST(entries[0].counter.value() == 9U);
  it.outbox.remove(entries[0]);
  it.outbox.remove(entries[1]);
  BOOST_TEST(it.outbox.entries().empty());
}

BOOST_AUTO_TEST_CASE(skips_half_written_files_and_names_damaged_ones) {
  const InstalledOutbox it;
  test::write_text(it.path + "/open/.q00000000000000000001-abcd123", "half");
  test::write_text(it.path + "/open/README", "not ours");
  BOOST_TEST(it.outbox.entries().empty());
  test::write_text(it.path + "/open/m00000000000000000001", "short");
  const auto entries = it.outbox.entries();
  BOOST_REQUIRE(entries.size() == 1U);
  BOOST_TEST(!it.outbox.read(entries[0]).has_value());
  test::write_text(it.path + "/state", "rubbish");
  BOOST_CHECK_THROW((void)it.outbox.state(), Fault);
}

// The id of a process that has ended.
std::string gone_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  BOOST_REQUIRE(waitpid(child, nullptr, 0) == child);
  return std::to_string(child);
}

std::size_t files_in(const std::string& folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

BOOST_AUTO_TEST_CASE(deletes_half_written_files_of_killed_processes_under_lock) {
  const InstalledOutbox it;
  const std::string own = std::to_string(getpid());
  const std::string swept[] = {"/.state." + gone_process(), "/.credential.json." + gone_process(),
                               "/open/.q1-abcd." + gone_process()};
  const std::string kept[] = {"/.state." + own, "/open/.q1-abcd." + own, "/open/.hidden",
                              "/open/.q1." + gone_process() + "x", "/open/q1-abcd"};
  for (const std::string& name : swept) test::write_text(it.path + name, "half");
  for (const std::string& name : kept) test::write_text(it.path + name, "whole");
  const std::string old = it.path + "/.old." + own;  // of a process that had our number
  test::write_text(old, "half");
  std::filesystem::last_write_time(
      old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));

  Outbox outbox(it.path);
  BOOST_REQUIRE(outbox.lock(Milliseconds{0}));
  for (const std::string& name : swept) BOOST_TEST(!std::filesystem::exists(it.path + name), name);
  for (const std::string& name : kept) BOOST_TEST(std::filesystem::exists(it.path + name), name);
  BOOST_TEST(!std::filesystem::exists(old));
}

BOOST_AUTO_TEST_CASE(failed_write_leaves_no_file) {
  const test::TempDir folder;
  std::filesystem::create_directory(folder / "taken");
  test::write_text(folder / "taken/file", "in the way of a rename");
  BOOST_CHECK_THROW(write_private_file(folder / "taken", Bytes(9)), Fault);
  BOOST_TEST(files_in(folder.path()) == 1U);

  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  BOOST_CHECK_EXCEPTION(
      write_private_file(folder / "large", Bytes(8192)), Fault, [](const Fault& fault) {
        return std::string(fault.what()).find("large cannot be written: File too large") !=
               std::string::npos;
      });
  setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST(files_in(folder.path()) == 1U);
}

BOOST_AUTO_TEST_CASE(rejects_invalid_topic) {
  const InstalledOutbox it;
  BOOST_CHECK_THROW((void)it.outbox.store("", "x"), Fault);
  BOOST_CHECK_THROW((void)it.outbox.store("a b", "x"), Fault);
  BOOST_TEST(it.outbox.entries().empty());
}

BOOST_AUTO_TEST_CASE(rejects_message_too_large_for_any_gateway) {
  const InstalledOutbox it;
  constexpr std::size_t kTooMuch = (std::size_t{768} << 20) + 1;
  void* pages =
      mmap(nullptr, kTooMuch, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BOOST_REQUIRE(pages != MAP_FAILED);
  const std::string_view body(static_cast<const char*>(pages), kTooMuch);  // nobody may look
  const auto in_parts = [](const Fault& fault) { return says(fault, "Send it in parts."); };
  Client client({.state = it.path});
  BOOST_CHECK_EXCEPTION((void)client.send("t", body), Fault, in_parts);
  BOOST_CHECK_EXCEPTION(client.queue("t", body), Fault, in_parts);
  BOOST_TEST(it.outbox.entries().empty());
  munmap(pages, kTooMuch);
}

BOOST_AUTO_TEST_CASE(locks_folder_for_one_process) {
  const InstalledOutbox it;
  {
    Outbox one(it.path);
    BOOST_TEST(one.lock(Milliseconds{0}));
    Outbox two(it.path);
    BOOST_TEST(!two.lock(Milliseconds{50}));
  }
  Outbox three(it.path);
  BOOST_TEST(three.lock(Milliseconds{0}));
}

}  // namespace
}  // namespace sealpost
