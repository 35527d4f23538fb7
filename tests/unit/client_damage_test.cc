// A client's state directory with damaged files, and one left by a killed process.
#define BOOST_TEST_MODULE client_damage
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "client/outcome.h"
#include "client/sender.h"
#include "support/print.h"
#include "support/says.h"
#include "support/sender_fixture.h"

namespace sealpost {
namespace {

using test::says;
using test::SenderFixture;
using Kind = Outcome::Kind;
using Damage = std::function<void(std::string&)>;

struct NamedDamage {
  const char* name;
  Damage apply;
};
const NamedDamage kDamages[] = {
    {"emptied", [](std::string& bytes) { bytes.clear(); }},
    {"halved", [](std::string& bytes) { bytes.resize(bytes.size() / 2); }},
    {"one byte cut", [](std::string& bytes) { bytes.pop_back(); }},
    {"body cut and length kept", [](std::string& bytes) { bytes.erase(bytes.size() - 33, 1); }},
    {"zeroed", [](std::string& bytes) { bytes.assign(bytes.size(), '\0'); }},
    {"tail zeroed",
     [](std::string& bytes) { bytes.replace(bytes.size() / 2, bytes.size(), 9, 0); }},
    {"one bit in the body", [](std::string& bytes) { bytes[bytes.size() - 34] ^= 1; }},
    {"one bit in the checksum", [](std::string& bytes) { bytes.back() ^= 0x10; }},
    {"one bit in the length", [](std::string& bytes) { bytes[30] ^= 1; }},
    {"one byte more", [](std::string& bytes) { bytes += 'x'; }},
};

void damage(const std::string& file, const Damage& how) {
  std::string bytes = test::read_text(file);
  how(bytes);
  test::write_text(file, bytes);
}

std::vector<std::string> recover(const SenderFixture& client) {
  Outbox outbox(client.folder);
  BOOST_REQUIRE(outbox.lock(Milliseconds{0}));
  return outbox.recover();
}

std::size_t files_in(const std::string& folder) {
  std::error_code none;
  const std::filesystem::directory_iterator all(folder, none);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

BOOST_AUTO_TEST_CASE(damaged_queued_message_is_never_sent_and_stops_no_other) {
  for (const NamedDamage& it : kDamages) {
    SenderFixture client;
    const Outbox outbox(client.folder);
    const Outbox::Entry bad = outbox.store("t", "open the valve for 100 s");
    (void)outbox.store("t", "other");
    damage(client.folder + "/open/" + bad.file, it.apply);
    const Outcome outcome = client.flush();
    BOOST_TEST((outcome.kind == Kind::kOpen), it.name);
    BOOST_TEST(outcome.status == Outcome::Status::kDamaged);
    BOOST_TEST(client.bodies() == "other ", it.name);
    BOOST_TEST(client.open() == 0U);
    BOOST_TEST(client.reports.size() == 1U);
    BOOST_TEST(says(client.reports[0], "damaged/" + bad.file), client.reports[0]);
    BOOST_TEST(files_in(client.folder + "/damaged") == 1U);
    BOOST_TEST((client.flush().kind == Kind::kAccepted), "reported once");
    BOOST_TEST(client.reports.size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(damaged_message_that_was_sent_is_never_sent_again) {
  for (const NamedDamage& it : kDamages) {
    SenderFixture client;
    client.send("first");
    client.lose_one_answer();
    BOOST_TEST((client.send("sent").kind == Kind::kOpen));
    client.network = nullptr;
    const auto entries = Outbox(client.folder).entries();
    damage(client.folder + "/open/" + entries.front().file, it.apply);
    BOOST_TEST((client.flush().kind == Kind::kOpen), it.name);
    BOOST_TEST((client.send("next").kind == Kind::kAccepted), it.name);
    BOOST_TEST(client.bodies() == "first sent next ", "its counter stays used");
    BOOST_TEST(client.state().next == 3U);
  }
}

BOOST_AUTO_TEST_CASE(lost_state_becomes_new_installation) {
  for (const NamedDamage& it : kDamages) {
    SenderFixture client;
    client.send("first");
    client.lose_one_answer();
    client.send("acted");
    client.network = nullptr;
    (void)Outbox(client.folder).store("t", "waits");
    const InstallNonce former = client.state().install_nonce;
    damage(client.folder + "/state", it.apply);
    const auto sentences = recover(client);
    BOOST_REQUIRE(sentences.size() == 2U);
    BOOST_TEST(says(sentences[0], "Message 1: unknown"), sentences[0]);
    BOOST_TEST(says(sentences[1], "damaged/state"), sentences[1]);
    BOOST_TEST((client.state().install_nonce != former), it.name);
    BOOST_TEST((client.flush().kind == Kind::kAccepted), it.name);
    BOOST_TEST(client.bodies() == "first acted waits ", it.name);
    BOOST_REQUIRE(Outbox(client.folder).rejected().list().size() == 1U);
    BOOST_TEST(Outbox(client.folder).rejected().list()[0].unknown);
    BOOST_TEST(recover(client).empty(), "reported once");
  }
}

BOOST_AUTO_TEST_CASE(missing_state_becomes_new_installation) {
  SenderFixture client;
  client.send("first");
  std::filesystem::remove(client.folder + "/state");
  BOOST_TEST(recover(client).size() == 1U);
  BOOST_TEST((client.send("second").kind == Kind::kAccepted));
  BOOST_TEST(client.bodies() == "first second ");
}

BOOST_AUTO_TEST_CASE(damaged_credential_is_named_and_installed_again) {
  for (const NamedDamage& it : kDamages) {
    SenderFixture client;
    client.send("first");
    const Outbox outbox(client.folder);
    (void)outbox.store("t", "waits");
    damage(client.folder + "/credential.json", it.apply);
    BOOST_CHECK_EXCEPTION((void)outbox.credential(), Fault, [](const Fault& fault) {
      return says(fault, "credential.json is missing, damaged") && says(fault, "are kept");
    });
    BOOST_TEST(recover(client).empty());
    const crypto::SecretText text = client.credential.json();
    outbox.replace_credential(bytes_of(text));
    BOOST_TEST((client.flush().kind == Kind::kAccepted), it.name);
    BOOST_TEST(client.bodies() == "first waits ");
  }
}

BOOST_AUTO_TEST_CASE(ping_of_killed_process_leaves_nothing) {
  for (const bool numbered : {false, true}) {
    SenderFixture client;
    client.send("first");
    const Outbox outbox(client.folder);
    const Outbox::Entry ping = outbox.store(kPingTopic, "");
    if (numbered) (void)outbox.assign_counter(ping, 1);
    BOOST_TEST(recover(client).empty());
    BOOST_TEST(client.open() == 0U);
    BOOST_TEST(client.state().next == (numbered ? 2U : 1U), "its counter stays used");
    BOOST_TEST((client.send("second").kind == Kind::kAccepted));
  }
}

BOOST_AUTO_TEST_CASE(damaged_reply_stops_no_other) {
  SenderFixture client;
  const Outbox outbox(client.folder);
  const Replies replies = outbox.replies();
  for (const char* name : {"1-a-2", "1-a-10", "1-a-11"}) replies.keep({name, "t", name});
  replies.keep({"1-a-11", "t", "1-a-11"});  // the same reply again after a kill
  damage(client.folder + "/replies/1-a-10", kDamages[1].apply);
  std::string seen;
  const auto take = [&](const Reply& reply) {
    seen += reply.body + " ";
    return reply.name != "1-a-2";
  };
  BOOST_TEST(replies.take_each(take).size() == 1U);
  BOOST_TEST(seen == "1-a-2 1-a-11 ");
  (void)outbox.move_to_damaged("replies/1-a-10");
  BOOST_TEST(replies.take_each(take).empty());
  BOOST_TEST(seen == "1-a-2 1-a-11 1-a-2 ", "a reply stays until it is taken");
}

BOOST_AUTO_TEST_CASE(message_file_passes_only_as_written) {
  SenderFixture client;
  const Outbox outbox(client.folder);
  const Outbox::Entry entry = outbox.store("t", "body");
  const std::string file = client.folder + "/open/" + entry.file;
  const std::string whole = test::read_text(file);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] ^= 1;
    test::write_text(file, changed);
    BOOST_TEST(!outbox.read(entry).has_value(), i);
    test::write_text(file, whole.substr(0, i));
    BOOST_TEST(!outbox.read(entry).has_value(), i);
  }
}

}  // namespace
}  // namespace sealpost
