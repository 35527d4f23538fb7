// The client library's sender: restored and copied state, new epochs, receipts.
#define BOOST_TEST_MODULE sender_recovery
#include <boost/test/unit_test.hpp>

#include "client/outcome.h"
#include "client/sender.h"
#include "store/backup.h"
#include "support/print.h"
#include "support/sender_fixture.h"

namespace sealpost {
namespace {

using test::lost;
using test::Peer;
using test::SenderFixture;
using Kind = Outcome::Kind;
using OutcomeStatus = Outcome::Status;

void copy_folder(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

BOOST_AUTO_TEST_CASE(restored_client_continues_as_new_installation_and_loses_nothing) {
  SenderFixture client;
  client.send("1");
  copy_folder(client.folder, client.folder + ".copy");
  const InstallNonce before = client.state().install_nonce;
  client.send("2");
  client.send("3");
  client.fixture.now += 24 * kHour;
  copy_folder(client.folder + ".copy", client.folder);  // restored: a handshake comes first

  BOOST_TEST(client.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 2 3 4 ");
  BOOST_TEST((client.state().install_nonce != before));
  BOOST_REQUIRE(client.reports.size() == 1U);
  BOOST_TEST(client.reports[0].find("restored copy") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(copied_state_gets_conflict_and_never_resends_that_message) {
  SenderFixture client;
  client.send("1");
  copy_folder(client.folder, client.folder + ".copy");
  client.send("2");
  copy_folder(client.folder + ".copy", client.folder);
  const InstallNonce copied = client.state().install_nonce;

  const Outcome outcome = client.send("other 2");  // counter 1, in the session that is still alive
  BOOST_TEST((outcome.kind == Kind::kUnknown));
  BOOST_TEST(outcome.status == OutcomeStatus::kConflict);
  BOOST_TEST(client.open() == 0U);
  BOOST_TEST(client.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST((client.state().install_nonce != copied), "as a new installation");
  BOOST_TEST(client.bodies() == "1 2 3 ");
}

BOOST_AUTO_TEST_CASE(settles_messages_sent_before_copy_under_old_installation) {
  SenderFixture client;
  client.send("1");
  client.network = [](const std::string& form, const Post& real) {
    (void)real(form);
    return lost();
  };
  client.send("2");  // took effect, but the answer was lost: it is open, and numbered
  client.network = nullptr;
  copy_folder(client.folder, client.folder + ".copy");
  BOOST_TEST((client.flush().kind == Kind::kAccepted));
  client.send("3");
  client.fixture.sql("DELETE FROM session");
  copy_folder(client.folder + ".copy", client.folder);

  BOOST_TEST(client.send("4").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 2 3 4 ", "2 was not stored twice");
}

BOOST_AUTO_TEST_CASE(new_epoch_clears_receipt_and_client_recovers) {
  SenderFixture client;
  client.send("1");
  const std::string backup = client.fixture.folder / "backup.db";
  {
    Database database = client.fixture.database();
    back_up(database, backup);
  }
  client.send("2");
  BOOST_TEST(client.state().receipt.next == 2U);
  restore(client.fixture.home.store_paths(), client.fixture.home.server_id(), backup,
          client.fixture.now);
  client.fixture.now += 24 * kHour;
  {
    const Outbox outbox(client.folder);
    BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  }
  BOOST_TEST(client.state().receipt.next == 1U, "what this epoch's server has counted");
  BOOST_TEST(client.send("3").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.bodies() == "1 3 ");
  BOOST_TEST(client.state().receipt.next == 3U);
  BOOST_TEST(client.reports.empty(), "nobody is accused");
}

// The record that the client sent in its current session.
OpenedRecord record_in(const SenderFixture& client, const std::string& form) {
  const Envelope envelope = *Envelope::parse(form);
  const ClientState state = client.state();
  const Session session{state.session->id, state.kid, {state.name, state.generation, {}}};
  return *OpenedRecord::read(*OpenedSeal::open(envelope, *RecordHeader::read(envelope.message),
                                               session, state.session->keys.c2s));
}

BOOST_AUTO_TEST_CASE(keeps_highest_receipt_of_epoch) {
  SenderFixture client;
  client.send("1");
  client.clock_shift = 3'600'000;  // the next answer is `late`, with no receipt
  BOOST_TEST(client.send("2").status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.forms.size() == 4U);
  BOOST_TEST(record_in(client, client.forms.back()).proof().receipt.next == 1U);
  BOOST_TEST(client.state().receipt.next == 2U);

  // A thief of this client's key can send this answer.  The client must keep the receipt that
  // proves a rollback.
  client.network = [&](const std::string& form, const Post&) {
    return client.grant(form, 1U << 20, client.fixture.now, client.state().epoch);
  };
  const Outbox outbox(client.folder);
  BOOST_TEST(Sender(outbox, client.environment()).connect().status == OutcomeStatus::kAccepted);
  BOOST_TEST(client.state().receipt.next == 2U, "a message 2 of the same epoch never lowers it");
}

BOOST_AUTO_TEST_CASE(reports_being_replaced_twice_within_an_hour) {
  SenderFixture client;
  Peer thief(Credential::parse(client.credential.json()), client.fixture.wire());
  thief.now = [&] { return client.fixture.now; };
  client.send("1");
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(client.reports.empty());
    thief.handshake();
    BOOST_TEST(thief.send("stolen").status == "accepted");
    BOOST_TEST(client.send("mine").status == OutcomeStatus::kAccepted);
  }
  BOOST_REQUIRE(client.reports.size() == 1U);
  BOOST_TEST(client.reports[0].find("in use elsewhere") != std::string::npos);
}

}  // namespace
}  // namespace sealpost
