#include "crash/story.h"

#include <algorithm>

namespace sealpost::test {
namespace {

// What is said of a settled message that was told before.
std::string again(const std::string& status) { return status == "accepted" ? "duplicate" : status; }

bool is_in_inbox(const std::string& status, const Message& message) {
  return status == again("accepted") && message.topic != kPingTopic;
}

}  // namespace

Story::Story()
    : application_(
          [this](const Upstream::Request& request) {
            return http_ok("answer " + std::to_string(++answers_) + " to " + request.body);
          },
          house_.folder / "app") {
  house_.set(kHandlerTimeout, "1s");
  house_.set(kQuotaBytes, "3000");
  house_.routes("ask/* - http unix:" + (house_.folder / "app") + ":/\nno - reject\n* - inbox\n");
  ann_.credential = house_.client("ann").credential.json();
  bob_.credential = house_.client("bob").credential.json();
  house_.restart();
  empty_ = house_.folder / "empty.db";
  // Whoever closes leaves the WAL as it is.
  (void)house_.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(house_.home.store_paths().database, empty_);
  start_ = house_.now;
}

bool Story::is_settled(const std::string& status) {
  return status == "accepted" || status == "duplicate" || status == "forbidden" ||
         status == "failed";
}

bool Story::tell(const Twist& twist, std::vector<std::string>& complaints) {
  complaints_ = &complaints;
  begin(twist);
  bool struck = false;
  try {
    talk();
    struck = disk_.has_struck();
    disk_.plan({});
    lose_power(Loss::kUnsynced);
    check();
  } catch (const std::exception& error) {
    complaints.emplace_back(error.what());
    struck = struck || disk_.has_struck();
  }
  house_.restart();
  disk_.watch("");
  return struck;
}

void Story::begin(const Twist& twist) {
  twist_ = twist;
  unserved_ = 0;
  house_.now = start_;
  house_.restart();
  const std::string database = house_.home.store_paths().database;
  for (const char* part : {"-wal", "-shm", "-journal"}) std::filesystem::remove(database + part);
  std::filesystem::copy_file(empty_, database, std::filesystem::copy_options::overwrite_existing);
  write_text(house_.folder / "log", "");
  for (Actor* who : {&ann_, &bob_}) {
    who->peer.emplace(Credential::parse(who->credential),
                      [this](const std::string& form) { return carry(form); });
    who->peer->now = [this] { return house_.now; };
    who->told.clear();
  }
  disk_.watch(database);
  disk_.plan(twist.plan);
}

void Story::talk() {
  hello(ann_);
  deliver(ann_, "", std::string(kPingTopic));
  deliver(ann_, "first");
  hello(bob_);
  deliver(bob_, "of another");
  send_batch();
  deliver(ann_, "what?", "ask/it");
  deliver(ann_, "beside the point", "no");
  cut_a_handler_short();
  checkpoint();
  deliver(bob_, "behind the checkpoint");
  exceed_a_quota();
  install_anew();
  deliver(ann_, "as new");
  tidy();
  deliver(bob_, "behind the other checkpoint");
  prove_a_rollback();
  replay(hello(bob_));
  deliver(bob_, "in another epoch");
  deliver(ann_, "and who?", "ask/it");
  house_.gateway().tidy(house_.now, true);
  (void)has_power();
}

std::string Story::hello(Actor& who) {
  Peer& peer = *who.peer;
  for (int i = 0; i < kTries; ++i) {
    const Exchange exchange = peer.handshake();
    if (exchange.status == "accepted") {
      peer.receipt = peer.session->receipt;
      return exchange.form;
    }
    was_not_served(exchange);
  }
  throw Fault("no session for " + peer.credential.name);
}

void Story::deliver(Actor& who, const std::string& body, const std::string& topic) {
  deliver(who, who.peer->message(body, topic));
}

void Story::deliver(Actor& who, const Message& message) {
  for (int i = 0; i < kTries; ++i) {
    const Exchange exchange = who.peer->post(who.peer->seal(message, 0, 0));
    if (is_settled(exchange.status)) {
      const bool taken = exchange.status == "accepted" || exchange.status == "duplicate";
      who.told.push_back(
          {message, who.peer->install_nonce, taken ? "accepted" : exchange.status, exchange.body});
      return;
    }
    if (exchange.status == "in_progress") {
      house_.now += kLease;
    } else {
      was_not_served(exchange);
    }
  }
  throw Fault("nobody settles " + std::string(text_of(message.body)));
}

// Only the fault itself may leave a client without an answer, and once.
void Story::was_not_served(const Exchange& exchange) {
  ++unserved_;
  const std::string what = std::to_string(exchange.reply.status) + " " + exchange.status;
  expect(disk_.has_struck(), "not served, and nothing was wrong: " + what);
  expect(exchange.reply.status == 503 || exchange.reply.status == 0, "a strange answer: " + what);
  expect(unserved_ < 2, "not served a second time: " + what);
}

Reply Story::carry(const std::string& form) {
  Reply reply = house_.post(TestHouse::request(form));
  if (!has_power()) return {};
  if (twist_.power_goes_next && disk_.has_struck() && reply.type == "application/octet-stream") {
    twist_.power_goes_next = false;
    lose_power(Loss::kUnsynced);
  }
  return reply;
}

bool Story::has_power() {
  if (!disk_.is_off()) return true;
  lose_power(twist_.loss);
  return false;
}

void Story::lose_power(Loss loss) {
  disk_.turn_off();
  restart();
  disk_.come_back(loss, twist_.seed);
}

void Story::restart() { house_.restart(); }

void Story::check() {
  expect(house_.sql("PRAGMA integrity_check") == "ok", "the database is damaged");
  expect(house_.sql("PRAGMA foreign_key_check").empty(), "a reference leads nowhere");
  std::vector<std::string> expected;
  for (Actor* who : {&ann_, &bob_}) {
    for (const Told& told : who->told) {
      if (told.install_nonce != who->peer->install_nonce) {
        who->peer->install_nonce = told.install_nonce;
        who->peer->receipt = {};
        hello(*who);
      }
      tell_again(*who, told);
      if (is_in_inbox(again(told.status), told.message))
        expected.emplace_back(text_of(told.message.body));
    }
  }
  std::vector<std::string> found;
  for (const InboxRow& row : house_.inbox()) found.emplace_back(text_of(row.body));
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  expect(found == expected, "the inbox has " + std::to_string(found.size()) +
                                " messages, not those " + std::to_string(expected.size()) +
                                " that were accepted");
  expect(house_.sql("SELECT count(*) FROM usage JOIN (SELECT name, sum(length(body)) AS bytes, "
                    "count(*) AS messages FROM message JOIN installation ON installation.id = "
                    "message.installation GROUP BY name) AS real USING (name) WHERE usage.bytes = "
                    "real.bytes AND usage.messages = real.messages") == "2",
         "a quota was miscounted");
}

void Story::tell_again(Actor& who, const Told& told) {
  const Exchange exchange = who.peer->post(who.peer->seal(told.message, 0, 0));
  const std::string body(text_of(told.message.body));
  expect(exchange.status == again(told.status),
         "\"" + body + "\" was " + told.status + ", and now is " + exchange.status);
  expect(exchange.body == told.reply, "\"" + body + "\" has another answer now: " + exchange.body);
}

void Story::expect(bool so, const std::string& what) {
  if (!so) complaints_->push_back(what);
}

}  // namespace sealpost::test
