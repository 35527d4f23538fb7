#include "server/fastcgi.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

#include "base/deadline.h"
#include "base/result.h"
#include "crypto/primitives.h"
#include "gateway/registry.h"
#include "server/cgi_variables.h"
#include "server/event_queue.h"
#include "server/upgrade_watch.h"

namespace sealpost {
namespace {

constexpr int kListener = 0;                      // FCGI_LISTENSOCK_FILENO
constexpr std::size_t kBatchBytes = 8U << 20;     // of bodies, after which no more are taken
constexpr std::size_t kBatchMax = 128;            // requests in one transaction
constexpr Milliseconds kReadTime = 10 * kSecond;  // for a batch, once its first request has begun
constexpr int kMemoryKept = 32 << 20;             // free bytes that malloc need not give back
constexpr auto kDrainTime = std::chrono::seconds(2);  // for a request under way when told to stop
constexpr int kTidyTick = 1000;                       // ms between looks at what must be tidied
constexpr int kTakeUpTick = 10'000;                   // ms between looks at abandoned messages
constexpr timespec kUpgradeTick{.tv_sec = 1};         // between looks at the executable

// Takes every request that is ready, has them answered together, and begins again.
class Loop {
 public:
  Loop(EventQueue& events, WorkerPools& pools, const SettingTexts& arguments)
      : events_(events), arguments_(arguments), gateways_(pools) {}

  // Until the events says stop, and nothing that had begun is left.
  void run() {
    bool stop = false;
    bool idle = false;
    while (!stop || !idle) {
      stop = gather();
      idle = batches_.empty();
      answer();
      finish();
      gateways_.for_each([&](const SettingTexts& texts, Gateway& gateway) {
        gateway.tidy(system_now(), false);
        if (!stop && gateway.should_claim_overdue(system_now())) claim_overdue(texts, gateway);
      });
    }
    while (events_.wait_finished()) finish();
    gateways_.for_each(
        [](const SettingTexts&, Gateway& gateway) { gateway.tidy(system_now(), true); });
  }

 private:
  struct Batch {
    std::vector<Request> requests;
    std::vector<FastcgiConnection*> connections;  // one a request
  };

  // Fills the batches; whether it is time to stop.
  bool gather() {
    bool stop = false;
    int timeout = gateways_.empty() ? -1 : gateways_.are_tidy() ? kTakeUpTick : kTidyTick;
    bytes_ = 0;
    std::optional<Deadline> deadline;  // a read that blocks is interrupted then
    for (std::size_t taken = 0; taken < kBatchMax && bytes_ < kBatchBytes;) {
      const EventQueue::Ready ready = events_.wait(timeout);
      stop = stop || ready.stop;
      const bool accepting = ready.listener && !stop;
      if (accepting) events_.accept_waiting();
      if (!deadline && !ready.connections.empty()) deadline.emplace(kReadTime);
      for (FastcgiConnection* connection : ready.connections) {
        deadline->has_passed() ? events_.give_back(*connection) : take(*connection);
      }
      if (ready.finished || (ready.connections.empty() && !accepting)) break;
      if (deadline && deadline->has_passed()) break;
      taken += ready.connections.size();
      timeout = 0;
    }
    return stop;
  }

  void take(FastcgiConnection& connection) {
    if (!connection.read_head()) return events_.forget(connection);
    const SettingTexts texts = find_settings(arguments_, connection.variables(), environ);
    Request request = request_from(connection.variables());
    connection.read_body(request, gateways_.of(texts).max_body());
    bytes_ += request.body.size();
    Batch& batch = batches_[texts];
    batch.requests.push_back(std::move(request));
    batch.connections.push_back(&connection);
  }

  void answer() {
    for (auto& [texts, batch] : batches_) {
      Gateway& gateway = gateways_.of(texts);
      std::vector<Handled> handled = gateway.handle(batch.requests, system_now());
      for (std::size_t i = 0; i < handled.size(); ++i) {
        if (handled[i].response) {
          answer(*batch.connections[i], *handled[i].response);
        } else {
          send(texts, std::move(handled[i].delivery), batch.connections[i]);
        }
      }
    }
    batches_.clear();
  }

  void answer(FastcgiConnection& connection, const Response& response) {
    connection.answer(response) ? events_.give_back(connection) : events_.forget(connection);
  }

  void send(const SettingTexts& texts, std::shared_ptr<PendingDelivery> delivery,
            FastcgiConnection* connection) {
    events_.send({texts, std::move(delivery), connection}, gateways_.pool_of(texts));
  }

  // Answers those whose handlers are done.
  void finish() {
    std::map<SettingTexts, std::pair<std::vector<std::shared_ptr<PendingDelivery>>,
                                     std::vector<FastcgiConnection*>>>
        done;
    for (EventQueue::DeliveryJob& job : events_.take_finished()) {
      auto& [deliveries, connections] = done[job.texts];
      deliveries.push_back(std::move(job.delivery));
      connections.push_back(job.connection);
    }
    for (auto& [texts, both] : done) {
      const auto responses = gateways_.of(texts).finish(both.first, system_now());
      for (std::size_t i = 0; i < responses.size(); ++i) {
        if (both.second[i] != nullptr) answer(*both.second[i], *responses[i]);
      }
    }
  }

  void claim_overdue(const SettingTexts& texts, Gateway& gateway) {
    try {
      for (auto& one : gateway.claim_overdue(system_now())) send(texts, std::move(one), nullptr);
    } catch (const std::exception&) {
      // The home is in trouble, and the next request's line in the log will say so.
    }
  }

  EventQueue& events_;
  const SettingTexts& arguments_;
  GatewayRegistry gateways_;
  std::map<SettingTexts, Batch> batches_;
  std::size_t bytes_ = 0;  // of bodies in them
};

class LoopThread {
 public:
  LoopThread(EventQueue& events, WorkerPools& pools, const SettingTexts& arguments) {
    std::packaged_task<void()> task([&events, &pools, &arguments] {
      try {
        Loop(events, pools, arguments).run();
      } catch (...) {
        kill(getpid(), SIGTERM);  // one loop less would be found out too late
        throw;
      }
    });
    done_ = task.get_future();
    thread_ = std::thread(std::move(task));
  }

  void wait_until(std::chrono::steady_clock::time_point deadline) const {
    done_.wait_until(deadline);
  }
  // Waits, and interrupts what the loop is blocked in.  Throws what the loop threw.
  void join() {
    while (done_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
      pthread_kill(thread_.native_handle(), SIGALRM);
    }
    thread_.join();
    done_.get();
  }

 private:
  std::future<void> done_;
  std::thread thread_;
};

// Blocked before any thread starts, so that none is interrupted in the middle of a request.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, one);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Until one of the signals comes, or an upgrade: whoever keeps gateways running starts the new one.
void wait_for_end(const sigset_t& signals) {
  UpgradeWatch executable;
  while (sigtimedwait(&signals, nullptr, &kUpgradeTick) < 0 && !executable.is_replaced()) {
  }
}

// What a batch needed, the next one will: to give it back and take it again, with every thread's
// view of the memory changed twice, costs more than to open the seals.
void keep_memory() {
  mallopt(M_TRIM_THRESHOLD, kMemoryKept);
  mallopt(M_MMAP_THRESHOLD, kMemoryKept);
}

// Whoever can connect here can choose the home and the log: that must be the web server alone.
void require_unix_socket() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const bool known = getsockname(kListener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!known || address.ss_family != AF_UNIX) {
    throw Fault(
        "it was started on a TCP port, to which every user of this host can connect: give it a "
        "unix "
        "socket, with mode 0600 or 0660");
  }
}

}  // namespace

bool is_fastcgi() {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(kListener, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

void serve_fastcgi(const SettingTexts& arguments, int threads) {
  require_unix_socket();
  keep_memory();
  const sigset_t signals = block_stop_signals();
  { const Deadline installs_its_handler(kReadTime); }
  crypto::start_fully();
  if (FCGX_Init() != 0) throw Fault("libfcgi cannot start");
  EventQueue events(kListener);
  WorkerPools pools;
  std::vector<LoopThread> loops;
  for (int i = 0; i < threads; ++i) loops.emplace_back(events, pools, arguments);

  wait_for_end(signals);
  events.stop();
  const auto deadline = std::chrono::steady_clock::now() + kDrainTime;
  for (const LoopThread& loop : loops) loop.wait_until(deadline);
  pools.stop();
  for (LoopThread& loop : loops) loop.join();
}

}  // namespace sealpost
