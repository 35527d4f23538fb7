// The worker pool: its places, its threads, and how its owners share them.
#define BOOST_TEST_MODULE worker_pool
#include "delivery/worker_pool.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "support/process.h"

namespace sealpost {
namespace {

using test::eventually;
using Places = std::vector<WorkerPool::Place>;

const JobOwner kSlow{"slow", "exec /slow"};
const JobOwner kOther{"other", "exec /quick"};

// Reserves until no place is left, at most `most` times.
Places reserve_all(WorkerPool& pool, const JobOwner& owner, std::size_t most = 1000,
                   std::size_t max_running = 2) {
  Places places;
  while (places.size() < most) {
    auto place = pool.reserve(max_running, owner);
    if (!place) break;
    places.push_back(std::move(*place));
  }
  return places;
}

// Jobs that work until they are told to end.  They note their names when they begin.
class Jobs {
 public:
  ~Jobs() { end_all(); }

  void start(const JobOwner& owner, const std::string& name, std::size_t max_running) {
    places_.push_back(pool_.reserve(max_running, owner).value());
    pool_.run(places_.back(), [this, name] {
      std::unique_lock lock(mutex_);
      begun_.push_back(name);
      changed_.wait(lock, [&] { return all_ended_ || ended_.count(name) > 0; });
      ++done_;
    });
  }
  void end(const std::string& name) {
    const std::lock_guard lock(mutex_);
    ended_.insert(name);
    changed_.notify_all();
  }
  void end_all() {
    const std::lock_guard lock(mutex_);
    all_ended_ = true;
    changed_.notify_all();
  }
  // The names in the order in which the jobs began.
  [[nodiscard]] std::vector<std::string> begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  [[nodiscard]] int done() const { return done_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  std::set<std::string> ended_;
  bool all_ended_ = false;
  std::atomic<int> done_ = 0;
  WorkerPool pool_;
  Places places_;
};

BOOST_AUTO_TEST_CASE(owner_queues_four_times_the_workers) {
  WorkerPool pool;
  Places places = reserve_all(pool, kSlow);
  BOOST_TEST(places.size() == 10U);
  places.pop_back();
  BOOST_TEST(pool.reserve(2, kSlow).has_value(), "a place that went is free again");
}

BOOST_AUTO_TEST_CASE(no_client_and_no_route_takes_the_places_of_others) {
  struct Row {
    const char* why;
    JobOwner taken_by;
    JobOwner others;
    std::size_t least;
  };
  const Row rows[] = {
      {"another client and route", kSlow, kOther, 10},
      {"another client of the same route", kSlow, {"other", "exec /slow"}, 5},
      {"another client of the only route", {"slow", ""}, {"other", ""}, 10},
      {"the same client, another route", kSlow, {"slow", "exec /quick"}, 0},
  };
  for (const Row& row : rows) {
    WorkerPool pool;
    const Places taken = reserve_all(pool, row.taken_by);
    BOOST_TEST(reserve_all(pool, row.others).size() == row.least, row.why);
  }
}

BOOST_AUTO_TEST_CASE(many_clients_of_one_route_leave_places_to_another_route) {
  WorkerPool pool;
  std::vector<Places> taken;
  for (int i = 0; i < 30; ++i) {
    taken.push_back(reserve_all(pool, {std::to_string(i), "exec /slow"}));
  }
  BOOST_TEST(reserve_all(pool, kOther).size() == 10U);
}

BOOST_AUTO_TEST_CASE(each_of_several_greedy_clients_leaves_a_place_to_the_next) {
  for (const bool one_route : {true, false}) {
    WorkerPool pool;
    std::vector<Places> taken;
    for (int i = 0; i < 4; ++i) {
      const std::string name = std::to_string(i);
      taken.push_back(reserve_all(pool, {name, one_route ? "" : name}));
    }
    BOOST_TEST(taken[0].size() == 10U);
    BOOST_TEST(taken[1].size() == 10U);
    BOOST_TEST(reserve_all(pool, kOther).size() >= 1U);
  }
}

BOOST_AUTO_TEST_CASE(runs_at_most_its_number_of_jobs) {
  Jobs jobs;
  for (int i = 0; i < 6; ++i) jobs.start({std::to_string(i), ""}, "job", 3);
  eventually("three are at work", [&] { return jobs.begun().size() == 3; });
  BOOST_TEST(jobs.done() == 0);
  jobs.end_all();
  eventually("all are done", [&] { return jobs.done() == 6; });
}

BOOST_AUTO_TEST_CASE(no_client_and_no_route_takes_the_threads_of_others) {
  struct Row {
    const char* who;
    std::function<JobOwner(int)> owner;
    std::size_t most;
  };
  const Row rows[] = {
      {"a client",
       [](int) {
         return JobOwner{"slow", ""};
       },
       6},
      {"a client on a route", [](int) { return kSlow; }, 6},
      {"clients of a route",
       [](int i) {
         return JobOwner{std::to_string(i), "exec /slow"};
       },
       7},
  };
  for (const Row& row : rows) {
    Jobs jobs;
    for (int i = 0; i < 10; ++i) jobs.start(row.owner(i), "slow", 8);
    eventually(row.who, [&] { return jobs.begun().size() == row.most; });
    jobs.start(kOther, "other", 8);
    eventually("the other's job begins", [&] { return jobs.begun().size() == row.most + 1; });
    BOOST_TEST(jobs.begun().back() == "other", row.who);
    jobs.end_all();
    eventually("all are done", [&] { return jobs.done() == 11; });
  }
}

BOOST_AUTO_TEST_CASE(job_goes_first_whose_client_runs_fewest) {
  Jobs jobs;
  for (const char* name : {"first", "second", "third"}) jobs.start({"greedy", ""}, name, 4);
  jobs.start(kOther, "other", 4);
  eventually("all threads are at work", [&] { return jobs.begun().size() == 4; });
  jobs.start({"greedy", ""}, "fourth", 4);
  jobs.start({"third client", ""}, "third client", 4);
  jobs.end("first");
  eventually("a thread was free", [&] { return jobs.begun().size() == 5; });
  BOOST_TEST(jobs.begun().back() == "third client");
  jobs.end_all();
  eventually("all are done", [&] { return jobs.done() == 6; });
}

BOOST_AUTO_TEST_CASE(runs_what_waits_before_it_ends) {
  std::atomic<int> done = 0;
  {
    Places places;
    WorkerPool pool;
    for (int i = 0; i < 10; ++i) {
      places.push_back(pool.reserve(2, kSlow).value());
      pool.run(places.back(), [&] { ++done; });
    }
    places.clear();
  }
  BOOST_TEST(done == 10);
}

}  // namespace
}  // namespace sealpost
