// Handlers of both kinds, correct and faulty ones.
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

DeliveryJob first_attempt(const std::string& body = "body") {
  DeliveryJob first = job(body);
  first.attempt = 1;
  return first;
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

BOOST_AUTO_TEST_CASE(program_that_cannot_be_run_is_not_begun) {
  const test::TempDir folder;
  const HandlerResult none = run_exec_handler(folder / "none", job(), {kSecond, &kNever});
  BOOST_TEST((none.kind == Kind::kNotBegun));
  BOOST_TEST(none.why == "it cannot be run: No such file or directory");
  test::write_text(folder / "plain", "#!/bin/sh\n");
  chmod((folder / "plain").c_str(), 0600);
  const HandlerResult closed = run_exec_handler(folder / "plain", job(), {kSecond, &kNever});
  BOOST_TEST((closed.kind == Kind::kNotBegun));
  BOOST_TEST(closed.why == "it cannot be run: Permission denied");
  const HandlerResult began = Script("exit 127").run();
  BOOST_TEST((began.kind == Kind::kFailed), "the program began");
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

HandlerResult post(int port, const DeliveryJob& message = first_attempt(),
                   Milliseconds timeout = 5 * kSecond, const std::atomic<bool>& stop = kNever) {
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

// An application that answers every message with the message itself, in these bytes around it.
struct Echo {
  std::string before;  // interim answers
  std::string head = "HTTP/1.1 200 OK\r\n";
  std::string after;
  std::string operator()(const WebApplication::Request& request) const {
    return "keep:" + before + head + "Content-Length: " + std::to_string(request.body.size()) +
           "\r\n\r\n" + request.body + after;
  }
};

BOOST_AUTO_TEST_CASE(no_message_gets_reply_to_another) {
  const std::string pause(WebApplication::kPause);
  const std::string processing = "HTTP/1.1 102 Processing\r\n\r\n";
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  const std::string stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
  const std::pair<const char*, Echo> rows[] = {
      {"102, and the answer 40 ms later", {.before = processing + pause}},
      {"102 and the answer at once", {.before = processing}},
      {"three interim answers",
       {.before = "HTTP/1.1 100 Continue\r\n\r\n" + pause + processing + hints}},
      {"an interim answer in two pieces",
       {.before = "HTTP/1.1 102 Pro" + pause + "cessing\r\n\r\n"}},
      {"bytes after the body", {.after = "more"}},
      {"another answer after the body", {.after = stray}},
      {"an interim answer after the body", {.after = processing}},
      {"the connection ends", {.head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"}},
  };
  for (const auto& [name, echo] : rows) {
    const WebApplication application(echo);
    for (const char* body : {"first client's", "second client's", "first client's next"}) {
      const HandlerResult result = post(application.port(), first_attempt(body));
      BOOST_TEST((result.kind == Kind::kDone), name << ": " << result.why);
      BOOST_TEST(text(result.reply) == body, name);
    }
    BOOST_TEST(application.requests().size() == 3U, name);
  }
}

BOOST_AUTO_TEST_CASE(keeps_connection_only_after_one_complete_answer) {
  struct Row {
    std::string answer;
    Kind kind;
    const char* result;  // the reply, or why there is none
    bool kept;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string five = "Content-Length: 5\r\n\r\n";
  const Row rows[] = {
      {ok + five + "reply", Kind::kDone, "reply", true},
      {"HTTP/1.1 102 Processing\r\n\r\n" + ok + five + "reply", Kind::kDone, "reply", true},
      {"HTTP/1.1 204 No Content\r\n\r\n", Kind::kDone, "", true},
      {"HTTP/1.1 204 No Content\r\n" + five, Kind::kDone, "", false},
      {"HTTP/1.1 204 No Content\r\n\r\nreply", Kind::kDone, "", false},
      {"HTTP/1.1 304 Not Modified\r\n\r\n", Kind::kFailed, "HTTP status 304", true},
      {"HTTP/1.1 304 Not Modified\r\n" + five, Kind::kFailed, "HTTP status 304", false},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", Kind::kFailed, "HTTP status 101", false},
      {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nreply\r\n0\r\nX-Sum: 1\r\n\r\n", Kind::kDone,
       "reply", true},
      {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nreply\r\n0\r\n\r\nmore", Kind::kDone, "reply",
       false},
      {ok + "Connection: close\r\n" + five + "reply", Kind::kDone, "reply", false},
      {"HTTP/1.0 200 OK\r\n" + five + "reply", Kind::kDone, "reply", false},
      {ok + five + "replymore", Kind::kDone, "reply", false},
      {ok + five, Kind::kFailed, "no answer in time", false},  // as if HEAD had been asked
  };
  for (const Row& row : rows) {
    const WebApplication application(
        [&](const WebApplication::Request&) { return "keep:" + row.answer; });
    for (int i = 0; i < 2; ++i) {
      const HandlerResult result = post(application.port(), first_attempt(), Milliseconds(300));
      BOOST_TEST((result.kind == row.kind), row.answer);
      BOOST_TEST((result.why + text(result.reply)) == row.result, row.answer);
    }
    BOOST_TEST(application.requests().size() == 2U, row.answer);
    BOOST_TEST(application.connections() == (row.kept ? 1 : 2), row.answer);
  }
}

BOOST_AUTO_TEST_CASE(hears_answer_that_comes_before_the_whole_body_was_written) {
  const std::string answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
  for (const std::string& kept : {std::string(), std::string("keep:")}) {
    const WebApplication application([&](const WebApplication::Request&) { return kept + answer; },
                                     "", WebApplication::Reads::kHead);
    const HandlerResult result =
        post(application.port(), first_attempt(std::string(8'000'000, 'x')), 2 * kSecond);
    BOOST_TEST(result.why == "HTTP status 413", kept);
    BOOST_TEST((post(application.port(), first_attempt()).why == "HTTP status 413"));
    BOOST_TEST(application.connections() == 2, "the first connection is not used again");
  }
}

BOOST_AUTO_TEST_CASE(message_on_kept_connection_that_closes_needs_another_attempt) {
  std::atomic<int> count = 0;
  const WebApplication application([&](const WebApplication::Request&) {
    // The server closes the connection at its second request.
    return ++count % 2 == 0 ? std::string() : test::http_ok("r");
  });
  BOOST_TEST((post(application.port(), first_attempt()).kind == Kind::kDone));
  const HandlerResult interrupted = post(application.port(), first_attempt());
  BOOST_TEST((interrupted.kind == Kind::kInterrupted));
  BOOST_TEST(interrupted.why == "it closed a kept connection without an answer");
  BOOST_TEST(application.requests().size() == 2U, "the message is not sent again here");
  BOOST_TEST((post(application.port(), first_attempt()).kind == Kind::kDone));
  BOOST_TEST((post(application.port(), job()).kind == Kind::kFailed),
             "a second attempt uses a new connection, where an end without an answer is a failure");
  BOOST_TEST(application.connections() == 3);
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
  BOOST_TEST((post(test::free_port()).kind == Kind::kNotBegun), "nobody is there");
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

}  // namespace
}  // namespace sealpost
