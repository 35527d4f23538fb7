// An HTTP proxy that, at random, loses, delays, repeats and reorders requests and answers.
#pragma once

#include <atomic>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace sealpost::test {

class Adversary {
 public:
  // Listens on a free port of 127.0.0.1 and forwards requests to `target`.
  Adversary(std::string target, unsigned seed);
  ~Adversary();
  Adversary(const Adversary&) = delete;
  Adversary& operator=(const Adversary&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }
  // What it has done so far, so that a test can check that it did something.
  struct Counts {
    std::atomic<int> passed = 0, swallowed = 0, answers_lost = 0, doubled = 0, replayed = 0,
                     forged = 0;
  };
  Counts counts;

 private:
  void serve();
  void relay_badly(int connection);
  int random_percent();
  std::string some_old_request();

  std::string target_;
  std::string url_;
  int listener_;
  std::mutex mutex_;
  std::mt19937 random_;
  std::vector<std::string> seen_;
  std::vector<std::thread> threads_;
};

}  // namespace sealpost::test
