// Handlers of both kinds, correct and faulty ones, and the worker pool.
#define BOOST_TEST_MODULE handler
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <future>
#include <set>
#include <sstream>

#include "delivery/delivery.h"
#include "delivery/exec_handler.h"
#include "delivery/http_handler.h"
#include "delivery/worker_pool.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/web_application.h"

namespace sealpost {
namespace {

using Kind = HandlerResult::Kind;
using test::Clock;
using test::eventually;
using test::read_text;
using test::WebApplication;

const std::atomic<bool> kNever = false;

DeliveryJob job(const std::string& body = "body") {
  return {7,
          2,
          "client1",
          *Claims::of({{"role", "shop"}, {"site", "a b=c\"'$(x)"}, {"not_after", "9999999999"}}),
          "orders/new",
          "e3314a73ef5c5185299d00acce8e5a15",
          crypto::Digest{4},
          Bytes(body.begin(), body.end())};
}

struct Script {
  test::TempDir folder;
  std::string path = folder / "handler";
  explicit Script(const std::string& text) {
    test::write_text(path, "#!/bin/sh\n" + text);
    chmod(path.c_str(), 0700);
  }
  [[nodiscard]] HandlerResult run(const std::string& body = "body",
                                  Milliseconds timeout = 10 * kSecond,
                                  const std::atomic<bool>& stop = kNever) const {
    return run_exec_handler(path, job(body), {timeout, &stop});
  }
};

std::string text(const Bytes& bytes) { return std::string(text_of(bytes)); }

bool is_alive(const std::string& id) { return kill(std::stoi(id), 0) == 0; }

BOOST_AUTO_TEST_CASE(program_reads_body_and_its_stdout_is_the_reply) {
  const Script script("printf 'got '; cat");
  const HandlerResult result = script.run(std::string("a\0b\nc", 5));
  BOOST_TEST((result.kind == Kind::kDone));
  BOOST_TEST(text(result.reply) == std::string("got a\0b\nc", 9));
  const std::string large(1 << 20, 'x');
  const HandlerResult counted = Script("wc -c").run(large);
  BOOST_TEST(text(counted.reply) == "1048576\n");
  BOOST_TEST(text(Script("wc -c").run("").reply) == "0\n");
  BOOST_TEST((Script("true").run().kind == Kind::kDone), "an empty reply is one, too");
}

BOOST_AUTO_TEST_CASE(program_gets_exactly_the_documented_environment) {
  setenv("SEALPOST_HOME", "/not/for/handlers", 1);
  // The shell adds PWD, and OLDPWD or _ on some systems.
  const HandlerResult result = Script("exec /usr/bin/env").run();
  unsetenv("SEALPOST_HOME");
  std::set<std::string> lines;
  std::istringstream in(text(result.reply));
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("PWD=") && !line.starts_with("OLDPWD=") && !line.starts_with("_="))
      lines.insert(line);
  }
  const std::set<std::string> expected = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                          "SEALPOST_NAME=client1",
                                          "SEALPOST_ROLE=shop",
                                          "SEALPOST_CLAIM_SITE=a b=c\"'$(x)",
                                          "SEALPOST_CLAIM_NOT_AFTER=9999999999",
                                          "SEALPOST_TOPIC=orders/new",
                                          "SEALPOST_MESSAGE_ID=e3314a73ef5c5185299d00acce8e5a15",
                                          "SEALPOST_NUMBER=7",
                                          "SEALPOST_ATTEMPT=2"};
  BOOST_TEST(lines == expected, boost::test_tools::per_element());
  const Script arguments("echo $#");
  BOOST_TEST(text(arguments.run().reply) == "0\n");
  const Script where("pwd");
  BOOST_TEST(text(where.run().reply) == where.folder.path() + "\n");
}

BOOST_AUTO_TEST_CASE(program_inherits_three_files_and_no_signal_settings) {
  const int leak = open("/dev/null", O_RDONLY);  // without CLOEXEC
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);  // as under nohup
  const std::string reply =
      text(Script("ls /proc/self/fd; grep SigIgn /proc/self/status").run().reply);
  signal(SIGHUP, SIG_DFL);
  close(leak);
  BOOST_TEST(reply.starts_with("0\n1\n2\n3\nSigIgn:"), reply);  // ls opens the folder as 3
  // 32 and 33 are the C library's own, and its threads may have had them ignored.
  const std::uint64_t ignored = std::stoull(reply.substr(reply.find(':') + 1), nullptr, 16);
  BOOST_TEST((ignored & ~(std::uint64_t{3} << 31)) == 0U, reply);
}

BOOST_AUTO_TEST_CASE(program_leads_its_own_process_group) {
  const HandlerResult result = Script("ps -o pgid= -p $$ | tr -d ' '; echo $$").run();
  const std::string reply = text(result.reply);
  BOOST_TEST(reply.substr(0, reply.find('\n') + 1) == reply.substr(reply.find('\n') + 1));
}

BOOST_AUTO_TEST_CASE(unsuccessful_program_fails_with_reason) {
  const std::pair<const char*, const char*> rows[] = {
      {"echo first >&2; echo second >&2; exit 3", "exit status 3: first"},
      {"exit 1", "exit status 1"},
      {"kill -9 $$", "signal 9"},
      {"head -c 65537 /dev/zero", "64 KiB"},
      {"head -c 10000000 /dev/zero", "64 KiB"},
  };
  for (const auto& [script, why] : rows) {
    const HandlerResult result = Script(script).run();
    BOOST_TEST((result.kind == Kind::kFailed), script);
    BOOST_TEST(result.why.find(why) != std::string::npos, result.why);
  }
  BOOST_TEST(Script("head -c 65536 /dev/zero").run().reply.size() == 65536U);
  BOOST_TEST(Script("echo a >&2; echo b >&2").run().errors == "a\nb\n");
  BOOST_TEST(Script("head -c 1000000 /dev/zero >&2").run().errors.size() <= 65537U);
}

BOOST_AUTO_TEST_CASE(program_that_cannot_start_fails) {
  const test::TempDir folder;
  const HandlerResult none = run_exec_handler(folder / "none", job(), {kSecond, &kNever});
  BOOST_TEST((none.kind == Kind::kFailed));
  BOOST_TEST(none.why == "exit status 127: No such file or directory");
  test::write_text(folder / "plain", "#!/bin/sh\n");
  chmod((folder / "plain").c_str(), 0600);
  const HandlerResult closed = run_exec_handler(folder / "plain", job(), {kSecond, &kNever});
  BOOST_TEST(closed.why == "exit status 127: Permission denied");
}

BOOST_AUTO_TEST_CASE(program_may_read_nothing) {
  const HandlerResult result = Script("exec <&-; echo fine").run(std::string(1 << 20, 'x'));
  BOOST_TEST((result.kind == Kind::kDone));
  BOOST_TEST(text(result.reply) == "fine\n");
}

BOOST_AUTO_TEST_CASE(waits_for_program_that_closed_its_outputs) {
  const Script script("exec >&- 2>&-; sleep 0.2; touch done");
  const HandlerResult result = script.run();
  BOOST_TEST((result.kind == Kind::kDone));
  BOOST_TEST(std::filesystem::exists(script.folder / "done"));
}

BOOST_AUTO_TEST_CASE(kills_remaining_child_without_waiting) {
  const Script script("sleep 100 & echo $! >child; echo fine");
  const auto start = Clock::now();
  const HandlerResult result = script.run();
  BOOST_TEST((result.kind == Kind::kDone));
  BOOST_TEST(text(result.reply) == "fine\n");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(2)));
  const std::string child = read_text(script.folder / "child");
  eventually("the child has ended", [&] { return !is_alive(child); });
}

BOOST_AUTO_TEST_CASE(kills_process_group_of_program_at_timeout) {
  const Script script(
      "trap '' TERM INT HUP; sleep 100 & echo $! >child; echo started >&2; while :; do sleep 1; "
      "done");
  const auto start = Clock::now();
  const HandlerResult result = script.run("body", kSecond);
  BOOST_TEST((result.kind == Kind::kFailed));
  BOOST_TEST(result.why == "it was killed after 1000 ms: started");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(3)));
  const std::string child = read_text(script.folder / "child");
  eventually("the group has ended", [&] { return !is_alive(child); });
  BOOST_TEST((waitpid(-1, nullptr, WNOHANG) <= 0), "no zombie is left");
}

BOOST_AUTO_TEST_CASE(kills_program_when_gateway_stops) {
  const Script script("touch begun; sleep 100");
  std::atomic<bool> stop = false;
  auto ran = std::async(std::launch::async, [&] { return script.run("body", kMinute, stop); });
  eventually("it has begun", [&] { return std::filesystem::exists(script.folder / "begun"); });
  stop = true;
  BOOST_TEST((ran.get().kind == Kind::kInterrupted));
}

// --- Web applications ---

HandlerResult post(int port, const DeliveryJob& message = job(), Milliseconds timeout = 5 * kSecond,
                   const std::atomic<bool>& stop = kNever) {
  return run_http_handler("127.0.0.1", static_cast<std::uint16_t>(port), "/in?x=1", message,
                          {timeout, &stop});
}

BOOST_AUTO_TEST_CASE(application_gets_body_and_headers_and_answers) {
  const WebApplication application(
      [](const WebApplication::Request&) { return test::http_ok("reply"); });
  const HandlerResult result = post(application.port(), job(std::string("a\0b", 3)));
  BOOST_TEST((result.kind == Kind::kDone), result.why);
  BOOST_TEST(text(result.reply) == "reply");
  const WebApplication::Request request = application.requests().at(0);
  BOOST_TEST(request.body == std::string("a\0b", 3));
  BOOST_TEST(request.head.starts_with("POST /in?x=1 HTTP/1.1\r\n"));
  for (const std::string& line : {
           std::string("Host: 127.0.0.1:") + std::to_string(application.port()),
           std::string("Content-Type: application/octet-stream"),
           std::string("X-Sealpost-Name: client1"),
           std::string("X-Sealpost-Role: shop"),
           std::string("X-Sealpost-Claim-site: a b=c\"'$(x)"),
           std::string("X-Sealpost-Claim-not-after: 9999999999"),
           std::string("X-Sealpost-Topic: orders/new"),
           std::string("X-Sealpost-Attempt: 2"),
           std::string("Idempotency-Key: e3314a73ef5c5185299d00acce8e5a15"),
           std::string("Content-Length: 3"),
       }) {
    BOOST_TEST(request.head.find("\r\n" + line + "\r\n") != std::string::npos, line);
  }
}

BOOST_AUTO_TEST_CASE(application_may_listen_on_unix_socket) {
  const test::TempDir folder;
  const WebApplication application(
      [](const WebApplication::Request&) { return test::http_ok("reply"); }, folder / "socket");
  const HandlerResult result =
      run_http_handler(folder / "socket", 0, "/in", job(), {kSecond, &kNever});
  BOOST_TEST(text(result.reply) == "reply", result.why);
  BOOST_TEST(application.requests().at(0).head.find("\r\nHost: localhost\r\n") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(keeps_connection_and_reconnects_if_closed) {
  std::atomic<bool> close_behind = false;
  const WebApplication application([&](const WebApplication::Request&) {
    const std::string kept = test::http_ok("r");
    return close_behind ? kept.substr(5) : kept;
  });
  for (int i = 0; i < 3; ++i) BOOST_TEST((post(application.port()).kind == Kind::kDone));
  BOOST_TEST(application.connections() == 1);
  close_behind = true;  // without a word of it in the answer
  for (int i = 0; i < 3; ++i) BOOST_TEST((post(application.port()).kind == Kind::kDone));
  BOOST_TEST(application.requests().size() == 6U);
}

BOOST_AUTO_TEST_CASE(retries_once_if_kept_connection_closes_during_write) {
  std::atomic<int> count = 0;
  const WebApplication application([&](const WebApplication::Request&) {
    // The server closes the connection at its second request.
    return ++count % 2 == 0 ? std::string() : test::http_ok("r");
  });
  BOOST_TEST((post(application.port()).kind == Kind::kDone));
  BOOST_TEST((post(application.port()).kind == Kind::kDone));
  BOOST_TEST(application.connections() == 2);
  BOOST_TEST(application.requests().size() == 3U);
}

BOOST_AUTO_TEST_CASE(application_with_bad_answer_fails) {
  struct Row {
    std::string answer;
    const char* why;
  };
  const std::string large(65'537, 'x');
  const Row rows[] = {
      {"HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nsecret", "HTTP status 500"},
      {"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP status 302"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "ended early"},
      {"HTTP/1.1 200 OK\r\nCont", "ended early"},
      {"", "without an answer"},
      {"nonsense\r\n\r\n", "bad"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + large, "64 KiB"},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + large, "64 KiB"},
  };
  for (const Row& row : rows) {
    const WebApplication application([&](const WebApplication::Request&) { return row.answer; });
    const HandlerResult result = post(application.port());
    BOOST_TEST((result.kind == Kind::kFailed), row.why);
    BOOST_TEST(result.why.find(row.why) != std::string::npos, result.why);
    BOOST_TEST(application.requests().size() == 1U, "a failure is not tried again here");
  }
  BOOST_TEST((post(test::free_port()).kind == Kind::kFailed), "nobody is there");
}

BOOST_AUTO_TEST_CASE(slow_application_times_out) {
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  const WebApplication application([&](const WebApplication::Request&) {
    ended.wait();
    return std::string();
  });
  const auto start = Clock::now();
  const HandlerResult result = post(application.port(), job(), kSecond);
  BOOST_TEST(result.why == "no answer in time");
  BOOST_TEST((Clock::now() - start < std::chrono::seconds(3)));
  std::atomic<bool> stop = false;
  auto posted = std::async(std::launch::async,
                           [&] { return post(application.port(), job(), kMinute, stop); });
  eventually("it was asked", [&] { return application.requests().size() == 2; });
  stop = true;
  BOOST_TEST((posted.get().kind == Kind::kInterrupted));
  end.set_value();
}

// --- The pool ---

BOOST_AUTO_TEST_CASE(pool_queues_four_times_its_workers) {
  WorkerPool pool;
  std::vector<WorkerPool::Place> places;
  while (auto place = pool.reserve(2)) places.push_back(std::move(*place));
  BOOST_TEST(places.size() == 10U);
  places.pop_back();
  BOOST_TEST(pool.reserve(2).has_value(), "a place that went is free again");
}

BOOST_AUTO_TEST_CASE(pool_runs_at_most_its_number_of_jobs) {
  std::atomic<int> at_work = 0;
  std::atomic<int> done = 0;
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  WorkerPool pool;
  std::vector<WorkerPool::Place> places;
  for (int i = 0; i < 6; ++i) {
    places.push_back(pool.reserve(3).value());
    pool.run([&] {
      ++at_work;
      ended.wait();
      --at_work;
      ++done;
    });
  }
  eventually("three are at work", [&] { return at_work == 3; });
  BOOST_TEST(done == 0);
  end.set_value();
  eventually("all are done", [&] { return done == 6; });
}

}  // namespace
}  // namespace sealpost
