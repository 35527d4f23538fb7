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
constexpr std::size_t kBatchBytes = 8U << 20;     // of bodies: then the batch is full
constexpr std::size_t kBatchMax = 128;            // requests in one transaction
constexpr Milliseconds kReadTime = 10 * kSecond;  // for a batch, once its first request has begun
constexpr int kMemoryKept = 32 << 20;             // free bytes that malloc need not give back
constexpr auto kReadDrainTime = std::chrono::seconds(2);  // for requests that are being read then
constexpr timespec kDrainTick{.tv_sec = 0, .tv_nsec = 10'000'000};  // between looks at the loops
constexpr int kHousekeepingTick = 1000;        // ms between looks, while work waits
constexpr int kOverdueTick = 10'000;           // ms between looks for overdue messages
constexpr timespec kUpgradeTick{.tv_sec = 1};  // between looks at the executable

// Takes every request that is ready, answers them together, and begins again.
class Loop {
 public:
  Loop(EventQueue& events, SettingsTable& settings, WorkerPools& pools,
       const SettingTexts& arguments)
      : events_(events),
        settings_(settings),
        arguments_(arguments),
        pools_(pools),
        gateways_(pools) {}

  // Returns after the stop signal, when every request and delivery is answered.
  void run() {
    bool stop = false;
    bool idle = false;
    while (!stop || !idle) {
      stop = gather();
      idle = batches_.empty();
      answer_batches();
      answer_finished();
      gateways_.for_each([&](const SettingTexts& settings, Gateway& gateway) {
        gateway.do_housekeeping(system_now(), false);
        if (!stop && gateway.should_claim_overdue(system_now())) claim_overdue(settings, gateway);
      });
    }
    while (events_.wait_finished()) answer_finished();
    gateways_.for_each(
        [](const SettingTexts&, Gateway& gateway) { gateway.do_housekeeping(system_now(), true); });
  }

 private:
  struct Incoming {
    Request request;
    FastcgiConnection* connection;
  };

  // Fills the batches.  Returns whether the stop signal has come.
  bool gather() {
    bool stop = false;
    int timeout = gateways_.empty()                  ? -1
                  : gateways_.is_housekeeping_done() ? kOverdueTick
                                                     : kHousekeepingTick;
    bytes_ = 0;
    std::optional<Deadline> deadline;  // interrupts a read that blocks
    for (std::size_t taken = 0; taken < kBatchMax && bytes_ < kBatchBytes;) {
      const EventQueue::Ready ready = events_.wait(timeout);
      stop = stop || ready.stop;
      const bool accepting = ready.listener && !stop;
      if (accepting) events_.accept_waiting();
      if (!deadline && !ready.connections.empty()) deadline.emplace(kReadTime);
      for (FastcgiConnection* connection : ready.connections) {
        deadline->has_passed() ? events_.wait_for_request(*connection) : take(*connection);
      }
      if (ready.finished || (ready.connections.empty() && !accepting)) break;
      if (deadline && deadline->has_passed()) break;
      taken += ready.connections.size();
      timeout = 0;
    }
    return stop;
  }

  void take(FastcgiConnection& connection) {
    if (!connection.read_head()) return events_.close_connection(connection);
    const SettingTexts& settings =
        settings_.intern(find_settings(arguments_, connection.variables(), environ));
    Request request = request_from(connection.variables());
    connection.read_body(request, gateways_.of(settings).max_body());
    bytes_ += request.body.size();
    batches_[&settings].push_back({std::move(request), &connection});
  }

  void answer_batches() {
    for (auto& [settings, batch] : batches_) {
      std::vector<const Request*> requests;
      for (const Incoming& incoming : batch) requests.push_back(&incoming.request);
      auto incoming = batch.begin();
      for (Handled& handled : gateways_.of(*settings).handle(requests, system_now())) {
        FastcgiConnection* connection = (incoming++)->connection;
        if (auto* delivery = std::get_if<PendingDelivery>(&handled)) {
          events_.start({settings, std::move(*delivery), connection}, pools_.of(*settings));
        } else {
          answer(*connection, std::get<Response>(handled));
        }
      }
    }
    batches_.clear();
  }

  void answer(FastcgiConnection& connection, const Response& response) {
    connection.answer(response) ? events_.wait_for_request(connection)
                                : events_.close_connection(connection);
  }

  // Answers those whose handlers have ended.
  void answer_finished() {
    std::map<const SettingTexts*, std::vector<EventQueue::Delivery>> finished;
    for (EventQueue::Delivery& delivery : events_.take_finished()) {
      finished[delivery.settings].push_back(std::move(delivery));
    }
    for (auto& [settings, deliveries] : finished) {
      std::vector<PendingDelivery*> pending;
      for (EventQueue::Delivery& delivery : deliveries) pending.push_back(&delivery.pending);
      gateways_.of(*settings).finish(pending, system_now());
      for (const EventQueue::Delivery& delivery : deliveries) {
        if (delivery.connection == nullptr) continue;
        answer(*delivery.connection, delivery.pending.response.value());
      }
    }
  }

  void claim_overdue(const SettingTexts& settings, Gateway& gateway) {
    try {
      for (PendingDelivery& claimed : gateway.claim_overdue(system_now())) {
        events_.start({&settings, std::move(claimed), nullptr}, pools_.of(settings));
      }
    } catch (const std::exception&) {
      // The home cannot be used; the log line of the next request will say why.
    }
  }

  EventQueue& events_;
  SettingsTable& settings_;
  const SettingTexts& arguments_;
  WorkerPools& pools_;
  GatewayRegistry gateways_;
  std::map<const SettingTexts*, std::vector<Incoming>> batches_;
  std::size_t bytes_ = 0;  // of bodies in the batches
};

class LoopThread {
 public:
  LoopThread(EventQueue& events, SettingsTable& settings, WorkerPools& pools,
             const SettingTexts& arguments) {
    std::packaged_task<void()> task([&events, &settings, &pools, &arguments] {
      try {
        Loop(events, settings, pools, arguments).run();
      } catch (...) {
        kill(getpid(), SIGTERM);  // nobody would notice that a loop is missing
        throw;
      }
    });
    done_ = task.get_future();
    thread_ = std::thread(std::move(task));
  }

  void wait_until(std::chrono::steady_clock::time_point deadline) const {
    done_.wait_until(deadline);
  }
  // Interrupts its blocking calls.
  void interrupt() { pthread_kill(thread_.native_handle(), SIGALRM); }
  [[nodiscard]] bool has_ended() const {
    return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  // Waits for the loop, and interrupts its blocking calls.  Throws what the loop threw.
  void join() {
    while (done_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
      interrupt();
    }
    thread_.join();
    done_.get();
  }

 private:
  std::future<void> done_;
  std::thread thread_;
};

// Blocks the stop signals before any thread starts, so that none interrupts a request.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int one : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, one);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Waits for a stop signal or an upgrade.  After an upgrade the process manager starts the new
// program.
void wait_for_end(const sigset_t& signals) {
  UpgradeWatch program;
  while (sigtimedwait(&signals, nullptr, &kUpgradeTick) < 0 && !program.is_replaced()) {
  }
}

// Waits until each handler has ended, which its own timeout bounds, or for a second stop signal.
void wait_for_handlers(std::vector<LoopThread>& loops, const sigset_t& signals) {
  const auto deadline = std::chrono::steady_clock::now() + kReadDrainTime;
  for (const LoopThread& loop : loops) loop.wait_until(deadline);
  for (LoopThread& loop : loops) {
    while (!loop.has_ended()) {
      loop.interrupt();
      if (sigtimedwait(&signals, nullptr, &kDrainTick) >= 0) return;
    }
  }
}

// The next batch needs the memory that this batch used: giving it back and taking it again would
// cost more than opening the seals.
void keep_memory() {
  mallopt(M_TRIM_THRESHOLD, kMemoryKept);
  mallopt(M_MMAP_THRESHOLD, kMemoryKept);
}

// A process that can connect here can choose the home and the log: only the web server may.
void require_unix_socket() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const bool known = getsockname(kListener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!known || address.ss_family != AF_UNIX) {
    throw Fault(
        "The listening socket is a TCP port, to which every user of this host can connect. Start "
        "sealpost.fcgi on a unix socket with mode 0600 or 0660.");
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
  SettingsTable settings;
  WorkerPools pools;
  std::vector<LoopThread> loops;
  for (int i = 0; i < threads; ++i) loops.emplace_back(events, settings, pools, arguments);

  wait_for_end(signals);
  events.stop();
  pools.stop_starting();
  wait_for_handlers(loops, signals);
  pools.stop();
  for (LoopThread& loop : loops) loop.join();
}

}  // namespace sealpost
