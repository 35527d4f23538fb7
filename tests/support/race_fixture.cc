#include "support/race_fixture.h"

#include <boost/test/unit_test.hpp>
#include <future>
#include <latch>

#include "support/load_clients.h"

namespace sealpost::test {

std::chrono::seconds race_time() {
  return std::chrono::seconds(number_from("SEALPOST_RACE_SECONDS", 2));
}

AnswerCounts count_answers(const std::vector<std::string>& answers) {
  AnswerCounts counts;
  for (const std::string& one : answers) ++counts[one];
  return counts;
}

std::string text_of(const AnswerCounts& counts) {
  std::string text;
  for (const auto& [answer, count] : counts) text += std::to_string(count) + " " + answer + "; ";
  return text;
}

std::string post(const crypto::Key& s2c, const Envelope& envelope, GatewayConnection& connection) {
  const Reply reply = connection.post(envelope.form());
  const auto answer = open_answer(s2c, crypto::sha256({envelope.message}), bytes_of(reply.body));
  return answer ? std::string(name_of(answer->status)) : "HTTP " + std::to_string(reply.status);
}

std::string post(const Peer& peer, const Envelope& envelope, GatewayConnection& connection) {
  return post(peer.keys.value().s2c, envelope, connection);
}

Message message_of(std::uint64_t counter, const std::string& body) {
  return {counter, crypto::random_id<MessageId>(), "t", Bytes(body.begin(), body.end())};
}

Peer reinstalled(const Peer& peer) {
  return {Credential::parse(peer.credential.json()), peer.wire};
}

void RaceFixture::at_once(int count, const std::function<void(int, GatewayConnection&)>& work) {
  std::latch ready(count);
  std::vector<std::future<void>> all;
  for (int i = 0; i < count; ++i) {
    const int at = i % kProcesses * kConnectionsEach + i / kProcesses;
    GatewayConnection& connection = connections.at(static_cast<std::size_t>(at));
    all.push_back(std::async(std::launch::async, [&ready, &work, &connection, i] {
      ready.arrive_and_wait();
      work(i, connection);
    }));
  }
  for (std::future<void>& one : all) one.wait();
  for (std::future<void>& one : all) one.get();
}

Peer RaceFixture::client_in_session(const std::string& name, bool active) const {
  Peer peer = site.client(name);
  BOOST_REQUIRE(peer.handshake().status == "accepted");
  if (active) BOOST_REQUIRE(peer.send("first").status == "accepted");
  return peer;
}

int RaceFixture::stored(const Peer& peer) {
  SQLite::Statement count(database.handle(), R"sql(
      SELECT count(*) FROM message JOIN installation ON installation.id = message.installation
      WHERE install_nonce = ?)sql");
  count.bind(1, peer.install_nonce.bytes.data(), static_cast<int>(InstallNonce::kSize));
  count.executeStep();
  return count.getColumn(0).getInt();
}

std::int64_t RaceFixture::accepted() {
  std::int64_t all = 0;
  for (const StatsRow& row : Inbox(database).stats()) {
    if (row.outcome == "accepted") all += row.count;
  }
  return all;
}

void RaceFixture::finish() {
  site.stop();
  expect_whole(site);
}

}  // namespace sealpost::test
