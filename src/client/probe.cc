#include "client/probe.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "client/http.h"
#include "client/outbox.h"
#include "protocol/credential.h"
#include "sealpost/client.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;
using Kind = CheckResult::Kind;

constexpr ClockOffset kClockNote{60'000};  // ms: a handshake further off needs two tries
constexpr std::size_t kPrecision = 1024;   // bytes, of the limit that is found

// A folder for a state that nobody needs afterwards.
class Scratch {
 public:
  Scratch() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/sealpost-probe.XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) throw_errno(path_, "made");
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool is_program(const HttpAnswer& answer) {
  return answer.body.starts_with(
      "\x7f"
      "ELF");
}

// The answers of PROTOCOL 4 that no web server gives by chance.
constexpr std::array<std::string_view, 6> kOurAnswers{"post only\n", "type\n",        "too large\n",
                                                      "form\n",      "unavailable\n", "refused\n"};

bool is_ours(const HttpAnswer& answer) {
  return std::find(kOurAnswers.begin(), kOurAnswers.end(), answer.body) != kOurAnswers.end();
}

std::string said(const HttpAnswer& answer) {
  return answer.status == 0 ? answer.trouble : "HTTP " + std::to_string(answer.status);
}

// A body of `size` bytes that is a form, and nobody's message.
std::string form_of(std::size_t size) {
  std::string form = "encrypted_message=";
  const std::size_t room = size - form.size();
  return form.append(room - room % 4, 'A');
}

class Prober {
 public:
  Prober(const ProbeOrder& order, const std::function<void(const CheckResult&)>& say)
      : order_(order), say_(say), client_({.state = scratch_.path() + "/state"}) {}

  void run() {
    if (!reach_it() || !make_the_round_trip()) return;
    ask_for_the_largest_body();
    ask_with_an_encoding();
    ask_in_chunks();
    ask_for_the_program();
    ask_for_what_is_hidden();
  }

 private:
  HttpAnswer post(std::string body, std::vector<std::string> headers = {}) const {
    return http_request({.url = url_, .body = std::move(body), .headers = std::move(headers)});
  }
  HttpAnswer get(const std::string& path) const { return http_request({.url = origin_ + path}); }

  // Whether a gateway is there at all, before a client with all its patience asks.
  bool reach_it() {
    url_ = Credential::parse(text_of(read_secret_file(order_.credential))).url;
    if (url_.empty()) throw Fault(order_.credential + " names no URL");
    const std::size_t path = url_.find('/', url_.find("://") + 3);
    origin_ = url_.substr(0, path);
    path_ = path == std::string::npos ? "/" : url_.substr(path);
    const HttpAnswer answer = post(form_of(100));
    if (answer.body == "refused\n") return true;
    say_(explain(answer));
    return false;
  }

  bool make_the_round_trip() {
    const Outcome installed = client_.install(order_.credential);
    if (installed.kind != Outcome::Kind::kAccepted) return no_answer(installed);
    const auto begun = std::chrono::steady_clock::now();
    const Outcome ping = client_.ping();
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    if (ping.kind != Outcome::Kind::kAccepted) return no_answer(ping);
    say_({Kind::kOk, url_ + " answers a handshake and a sealed message, this one in " +
                         std::to_string(spent.count()) + " ms"});
    const ClientState state = Outbox(scratch_.path() + "/state").state();
    max_body_ = state.session ? state.session->max_body : 0;
    if (std::chrono::abs(state.offset) > kClockNote) {
      say_({Kind::kBroken,
            "the clock here and the gateway's are " +
                std::to_string(std::chrono::abs(state.offset) / std::chrono::seconds(1)) +
                " s apart: set the one that is wrong"});
    }
    return true;
  }

  bool no_answer(const Outcome& outcome) const {
    say_({Kind::kBroken, url_ + " reaches a gateway, which says " + outcome.status + ": " +
                             outcome.reason + "; does SEALPOST_HOME there name this home?"});
    return false;
  }

  // What it is that a stranger's message does not reach the gateway.
  [[nodiscard]] CheckResult explain(const HttpAnswer& answer) const {
    const auto broken = [&](const std::string& what) {
      return CheckResult{Kind::kBroken, url_ + what};
    };
    if (answer.status == 0) return {Kind::kBroken, answer.trouble};
    if (is_program(answer)) {
      return broken(
          " sends the program instead of running it: Options +ExecCGI and the handler in .htaccess "
          "are not in force; is AllowOverride None set?");
    }
    if (answer.body == "unavailable\n") {
      return broken(
          " reaches the gateway, but its home is not in order (503): its log, SEALPOST_LOG or the "
          "web "
          "server's, says why");
    }
    if (is_ours(answer)) {
      return broken(" reaches a gateway, but not as it was sent (" +
                    answer.body.substr(0, answer.body.size() - 1) +
                    "): does the web server hand on CONTENT_TYPE, CONTENT_LENGTH and the body?");
    }
    switch (answer.status) {
      case 301:
      case 302:
      case 307:
      case 308:
        return broken(" leads elsewhere (" + said(answer) + "): name the place it leads to");
      case 401:
      case 403:
        return broken(" is forbidden by the web server (" + said(answer) +
                      "): its error log says by what; often the program is not executable");
      case 404:
        return broken(" is not there (404): where does the web server have the program?");
      case 500:
        return broken(
            " fails in the web server (500): its error log says why; often AllowOverride does not "
            "allow what .htaccess holds, or suEXEC does not like an owner or a mode");
      default:
        return broken(" answers " + said(answer) + ", which is not a gateway's answer");
    }
  }

  [[nodiscard]] bool passes(std::size_t size) const { return is_ours(post(form_of(size))); }

  void ask_for_the_largest_body() {
    if (passes(max_body_)) {
      return say_({Kind::kOk, "a body of " + std::to_string(max_body_) +
                                  " bytes, the most that the gateway takes, comes through"});
    }
    std::size_t good = 0;
    std::size_t bad = max_body_;
    while (bad - good > kPrecision) {
      const std::size_t middle = good + (bad - good) / 2;
      (passes(middle) ? good : bad) = middle;
    }
    say_({Kind::kBroken,
          "the web server stops bodies above some " + std::to_string(good) + " bytes (" +
              said(post(form_of(max_body_))) + "), the gateway says it takes " +
              std::to_string(max_body_) +
              ": raise client_max_body_size, FcgidMaxRequestLen or LimitRequestBody, or set "
              "SEALPOST_MAX_BODY to what comes through"});
  }

  void ask_with_an_encoding() {
    const HttpAnswer answer = post(form_of(100), {"Content-Encoding: gzip"});
    if (answer.body == "type\n") {
      return say_({Kind::kOk, "a compressed body is refused by the gateway"});
    }
    say_({Kind::kNote, "a compressed body does not come to the gateway as it was sent (" +
                           said(answer) + "); clients send none"});
  }

  void ask_in_chunks() {
    const HttpAnswer answer = post(form_of(100), {"Transfer-Encoding: chunked"});
    say_({is_ours(answer) ? Kind::kOk : Kind::kNote,
          is_ours(answer) ? std::string("a body in chunks comes through")
                          : "the web server refuses a body in chunks (" + said(answer) +
                                "); clients send none"});
  }

  void ask_for_the_program() {
    const HttpAnswer answer = get(path_);
    if (is_program(answer)) {
      return say_({Kind::kBroken, "a GET of " + url_ +
                                      " sends the program itself: it must be run for every method, "
                                      "or refused"});
    }
    say_({Kind::kOk, "a GET is refused (" + said(answer) + ")"});
  }

  void ask_for_what_is_hidden() {
    const std::string htaccess = path_.substr(0, path_.rfind('/') + 1) + ".htaccess";
    bool shown = false;
    if (const HttpAnswer answer = get(htaccess); answer.status == 200 && !is_ours(answer)) {
      shown = true;
      say_({Kind::kBroken,
            origin_ + htaccess + " is shown to everybody: deny files that begin with .ht"});
    }
    for (const std::string& path : order_.hidden) {
      const HttpAnswer answer = get(path);
      if (answer.status != 200 || !answer.body.starts_with(url_)) continue;
      shown = true;
      say_({Kind::kBroken,
            origin_ + path +
                " is shown to everybody, so the home with its keys is served: move it out of "
                "the document root, then `sealpost key rotate` and renew every client"});
    }
    if (!shown) say_({Kind::kOk, "neither .htaccess nor the home is shown"});
  }

  const ProbeOrder& order_;
  const std::function<void(const CheckResult&)>& say_;
  Scratch scratch_;
  Client client_;
  std::string url_;
  std::string origin_;  // "https://host:port"
  std::string path_;    // of the gateway below it
  std::size_t max_body_ = 0;
};

}  // namespace

void probe(const ProbeOrder& order, const std::function<void(const CheckResult&)>& say) {
  Prober(order, say).run();
}

}  // namespace sealpost
