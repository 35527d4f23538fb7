#include "support/traffic.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "client/outbox.h"

namespace sealpost::test {

using Kind = Outcome::Kind;

TrafficClient::TrafficClient(Site& site, std::string name)
    : name_(std::move(name)),
      state_(site.folder / (name_ + ".state")),
      client_(
          {.state = state_, .report = [this](const std::string& what) { report_error(what); }}) {
  const Outcome outcome = client_.install(site.credential(name_, site.url()));
  if (outcome.kind != Kind::kAccepted) throw std::runtime_error(name_ + ": " + outcome.reason);
}

TrafficClient::~TrafficClient() { stop(); }

void TrafficClient::start() {
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void TrafficClient::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void TrafficClient::run_between_messages(std::function<void(Client&)> work) {
  std::packaged_task<void()> task([this, work = std::move(work)] { work(client_); });
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(task);
  }
  eventually(name_ + " is between two messages", [&] {
    return done.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready;
  });
  done.get();
}

std::size_t TrafficClient::accepted_count() const {
  const std::lock_guard lock(mutex_);
  return accepted_.size();
}

std::vector<AcceptedMessage> TrafficClient::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

std::vector<std::string> TrafficClient::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

void TrafficClient::run() {
  try {
    while (!stopping_) {
      run_work();
      send(name_ + "-" + std::to_string(++count_));
    }
    run_work();
  } catch (const std::exception& error) {
    report_error(error.what());
  }
}

void TrafficClient::send(const std::string& body) {
  const Clock::time_point sent = Clock::now();
  Outcome outcome = client_.send("t", body);
  for (int i = 0;
       i < 3 && outcome.kind == Kind::kOpen && outcome.status != Outcome::Status::kRevoked; ++i) {
    outcome = client_.flush();
  }
  if (outcome.kind != Kind::kAccepted) {
    report_error(body + " " + std::string(name_of(outcome.status)));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it must not hammer
    return;
  }
  const Epoch epoch = Outbox(state_).state().epoch;
  const std::lock_guard lock(mutex_);
  accepted_.push_back({body, sent, Clock::now(), epoch});
}

void TrafficClient::run_work() {
  std::packaged_task<void()> work;
  {
    const std::lock_guard lock(mutex_);
    work = std::move(work_);
  }
  if (work.valid()) work();
}

void TrafficClient::report_error(const std::string& sentence) {
  const std::lock_guard lock(mutex_);
  errors_.push_back(name_ + ": " + sentence);
}

Traffic::Traffic(Site& site, int clients) {
  for (int i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<TrafficClient>(site, "client" + std::to_string(i)));
  }
}

void Traffic::start() {
  for (const auto& client : clients_) client->start();
}

void Traffic::stop() {
  for (const auto& client : clients_) client->stop();
}

void Traffic::wait_for(std::size_t more) const {
  std::map<const TrafficClient*, std::size_t> enough;
  for (const auto& client : clients_) enough[client.get()] = client->accepted_count() + more;
  eventually("every client continues", [&] {
    return std::all_of(enough.begin(), enough.end(),
                       [](const auto& one) { return one.first->accepted_count() >= one.second; });
  });
}

std::vector<AcceptedMessage> Traffic::accepted() const {
  std::vector<AcceptedMessage> all;
  for (const auto& client : clients_) {
    for (AcceptedMessage& one : client->accepted()) all.push_back(std::move(one));
  }
  return all;
}

std::string Traffic::errors() const {
  std::string all;
  for (const auto& client : clients_) {
    for (const std::string& one : client->errors()) all.append(one).append("\n");
  }
  return all;
}

std::map<std::string, int> times_in_inbox(const Site& site) {
  std::map<std::string, int> times;
  for (const InboxRow& row : site.inbox()) ++times[std::string(text_of(row.body))];
  return times;
}

void expect_each_exactly_once(const Traffic& traffic, const Site& site,
                              std::set<std::string> others) {
  BOOST_TEST(traffic.errors() == "");
  const std::map<std::string, int> times = times_in_inbox(site);
  std::set<std::string> accepted = std::move(others);
  for (const AcceptedMessage& one : traffic.accepted()) accepted.insert(one.body);
  for (const auto& [body, count] : times) {
    if (count != 1) BOOST_ERROR(body + " is in the inbox " + std::to_string(count) + " times");
    if (!accepted.contains(body))
      BOOST_ERROR(body + " is in the inbox, but its client got no acceptance");
  }
  for (const std::string& body : accepted) {
    if (!times.contains(body)) BOOST_ERROR(body + " was accepted, and is not in the inbox");
  }
}

}  // namespace sealpost::test
