#include "crash/story.h"

#include <algorithm>

namespace sealpost::test {
namespace {

constexpr int kTries = 5;
constexpr Milliseconds kLease = (Pool::kQueue + 2) * kSecond;
constexpr const char* kNever = "there is no room for this one";

bool is_settled(const std::string& status) {
  return status == "accepted" || status == "duplicate" || status == "forbidden" ||
         status == "failed";
}

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
  house_.routes("ask/* - http unix:" + (house_.folder / "app") + ":/\nno - refuse\n* - inbox\n");
  ann_.credential = house_.client("ann").credential.json();
  bob_.credential = house_.client("bob").credential.json();
  house_.restart();
  empty_ = house_.home.store_paths().database + ".empty";
  // Whoever closes leaves the WAL as it is.
  (void)house_.sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(house_.home.store_paths().database, empty_);
  start_ = house_.now;
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

void Story::send_batch() {
  Peer& ann = *ann_.peer;
  Peer& bob = *bob_.peer;
  const std::pair<Actor*, Message> messages[] = {{&ann_, ann.message("one of many")},
                                                 {&bob_, bob.message("two of many")},
                                                 {&ann_, ann.message("three")}};
  std::vector<Request> batch;
  for (const auto& [who, message] : messages) {
    batch.push_back(TestHouse::request(who->peer->seal(message, 0, 0).form()));
  }
  batch.push_back(TestHouse::request("garbage"));
  batch.push_back(batch[0]);
  const std::vector<Handled> handled = house_.gateway().handle(batch, house_.now);
  const bool heard = has_power();
  for (std::size_t i = 0; i < std::size(messages); ++i) {
    const auto& [who, message] = messages[i];
    if (heard && handled[i].response->status == 200) {
      who->told.push_back({message, who->peer->install_nonce, "accepted", ""});
    } else {
      deliver(*who, message);
    }
  }
}

// The process ends while a handler is at work; another one takes the message up.
void Story::cut_a_handler_short() {
  const Message message = ann_.peer->message("cut short", "ask/it");
  const Request request = TestHouse::request(ann_.peer->seal(message, 0, 0).form());
  for (bool begun = false; !begun;) {
    const Handled handled = house_.gateway().handle({&request, 1}, house_.now).front();
    if (!has_power()) continue;
    begun = handled.handover || handled.response->status == 409;  // the second time, in progress
    if (!begun) was_not_served({.reply = {handled.response->status, "", ""}});
  }
  restart();
  house_.now += kLease;
  take_up();
  deliver(ann_, message);
}

void Story::take_up() {
  for (int i = 0; i < 2; ++i) {
    try {
      for (const auto& one : house_.gateway().take_up(house_.now)) {
        one->run();
        (void)house_.gateway().finish({&one, 1}, house_.now);
      }
    } catch (const Fault&) {
      // The gateway's loop tries again in a while.
    }
    (void)has_power();
  }
}

// Another process's, as the thousandth page of a WAL is reached.
void Story::checkpoint() {
  for (int i = 0; i < 2; ++i) {
    try {
      Database at = house_.database();
      const Gate::Hold hold = at.gate().enter();
      at.handle().exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (const std::exception&) {
      // That process's own trouble.
    }
    (void)has_power();
  }
}

void Story::tidy() {
  for (const Milliseconds later : {Milliseconds{0}, 5 * kMinute}) {
    house_.gateway().tidy(house_.now + later, false);
    (void)has_power();
  }
}

void Story::exceed_a_quota() {
  deliver(bob_, std::string(2000, 'b'));
  const Message message = bob_.peer->message(kNever + std::string(2000, 'b'));
  bool told = false;
  for (int i = 0; i < 2; ++i) {
    const Exchange exchange = bob_.peer->post(bob_.peer->seal(message, 0, 0));
    expect(!is_settled(exchange.status), "the quota let one through: " + exchange.status);
    told = told || exchange.status == "unavailable";
  }
  expect(told, "nobody says that the quota is used up");
  --bob_.peer->next;  // its counter is not used
}

void Story::install_anew() {
  ann_.peer->install_nonce = crypto::random_array<16>();
  ann_.peer->next = 0;
  ann_.peer->receipt = {};
  hello(ann_);
}

void Story::prove_a_rollback() {
  Peer& ann = *ann_.peer;
  const Epoch old = ann.session->epoch;
  const Credential& as = ann.credential;
  ann.receipt = give_receipt(house_.home.keyring().receipt_key(as.kid), old,
                             {as.name, as.generation, ann.install_nonce}, ann.next + 100);
  int refused = 0;
  while (ann.session->epoch == old && refused + unserved_ < kTries) {
    const Exchange exchange = ann.handshake();
    if (exchange.reply.status == 403)
      ++refused;
    else if (exchange.status != "accepted")
      was_not_served(exchange);
    else
      expect(ann.session->epoch != old, "the proof was not heard");
  }
  expect(refused <= 1, "a new epoch was begun, and forgotten");
  expect(ann.session->epoch != old, "no new epoch");
  ann.receipt = ann.session->receipt;
}

void Story::replay(const std::string& handshake) {
  const int status = carry(handshake).status;
  expect(status != 200, "a handshake was taken twice");
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
