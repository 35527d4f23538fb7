#include "support/load_clients.h"

#include <boost/test/unit_test.hpp>

#include "store/backup.h"
#include "store/health.h"

namespace sealpost::test {
namespace {

constexpr auto kTimeout = std::chrono::seconds(20);

// The unique part of a message; the rest is filler.
std::string name_of(const std::string& body) { return body.substr(0, body.find(' ')); }

// A crash may lose an answer.  It never loses a session or rejects a client.
bool may_go_on(const RoundTrip& told) { return told.reply.status == 0; }

std::string words(const RoundTrip& told) {
  return "was told " + std::to_string(told.reply.status) + " " + told.status;
}

std::map<std::string, int> times_stored(const Site& site) {
  std::map<std::string, int> times;
  for (const InboxRow& row : site.inbox()) ++times[std::string(text_of(row.body))];
  return times;
}

}  // namespace

int random_up_to(Random& random, int most) {
  return std::uniform_int_distribution(0, most)(random);
}

bool one_in(Random& random, int times) { return random_up_to(random, times - 1) == 0; }

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::stoul(text));
}

std::size_t MessageTracker::acknowledged_count() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_.size();
}

std::string MessageTracker::figures() const {
  const std::lock_guard lock(mutex_);
  return std::to_string(sent_.size()) + " messages sent, " + std::to_string(acknowledged_.size()) +
         " acknowledged, " + std::to_string(cut_off_) + " requests cut off";
}

void MessageTracker::expect_stored(const Site& site) const {
  const std::set<std::string> acknowledged = copy(acknowledged_);
  const std::map<std::string, int> times = times_stored(site);
  std::string lost;
  std::string doubled;
  for (const std::string& body : acknowledged) {
    if (!times.contains(body)) lost += name_of(body) + " ";
  }
  for (const auto& [body, count] : times) {
    if (count != 1) doubled += name_of(body) + " ";
  }
  BOOST_TEST(lost == "", "acknowledged and lost: " << lost);
  BOOST_TEST(doubled == "", "stored more than once: " << doubled);
}

void MessageTracker::expect_no_errors(const Site& site) const {
  for (const std::string& error : copy(errors_)) BOOST_ERROR(error);
  expect_stored(site);
  const std::set<std::string> sent = copy(sent_);
  for (const auto& [body, count] : times_stored(site)) {
    if (!sent.contains(body)) BOOST_ERROR(name_of(body) + " was never sent");
  }
}

void expect_whole(const Site& site) {
  Database database(site.home.store_paths(), site.home.server_id());
  const Health health = check_health(database);
  for (const std::string& damage : health.damage) BOOST_ERROR(damage);
  BOOST_TEST(health.epoch_reason == "init");
}

void LoadClient::start() {
  thread_ = std::thread([this] { run(); });
}

void LoadClient::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void LoadClient::require_time_left() const {
  if (Clock::now() > begun_ + kTimeout) throw std::runtime_error("is not served any more");
}

Reply LoadClient::recorded(Reply reply) {
  if (reply.status == 0) tracker_.cut_off();
  return reply;
}

void LoadClient::run() {
  try {
    for (int number = 1; !stopping_; ++number) {
      std::string body = name_ + "-" + std::to_string(number) + " ";
      // Most are small; some fill the WAL, so that checkpoints are cut off, too.
      const int ballast = one_in(random_, 50) ? 60'000 : random_up_to(random_, 200);
      body.append(static_cast<std::size_t>(ballast), 'x');
      tracker_.sent(body);
      begun_ = Clock::now();
      send(body);
    }
  } catch (const std::exception& error) {
    report_error(error.what());
  }
}

ResendingClient::ResendingClient(const SocketSite& site, const std::string& name,
                                 MessageTracker& tracker, unsigned seed)
    : LoadClient(name, tracker, seed), connection_(site.socket(), true), peer_(site.client(name)) {
  peer_.wire = [this](const std::string& form) { return recorded(connection_.post(form)); };
  handshake_until_answered();
}

void ResendingClient::send(const std::string& body) {
  const Message message = peer_.message(body);
  if (one_in(random(), 20)) handshake_until_answered();
  std::optional<Envelope> envelope;
  for (;;) {
    require_time_left();
    if (!envelope || one_in(random(), 2)) envelope = peer_.seal(message);
    const RoundTrip told = peer_.post(*envelope);
    if (told.status == "accepted" || told.status == "duplicate")
      return tracker().acknowledged(body);
    if (!may_go_on(told)) return report_error(words(told) + " of " + name_of(body));
  }
}

void ResendingClient::handshake_until_answered() {
  for (;;) {
    require_time_left();
    const RoundTrip told = peer_.handshake();
    if (told.status == "accepted" || told.status == "unavailable") return;
    if (!may_go_on(told)) throw std::runtime_error(words(told) + " in a handshake");
  }
}

}  // namespace sealpost::test
