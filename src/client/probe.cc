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

constexpr ClockOffset kClockTolerance{60'000};  // ms: beyond it a handshake needs two tries
constexpr std::size_t kPrecision = 1024;        // bytes, of the limit that is found

// A directory for the state of the probe's client.  The destructor deletes it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/sealpost-probe.XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) throw_errno(path_, "created");
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool is_program(const HttpAnswer& answer) {
  return answer.body.starts_with(
      "\x7f"
      "ELF");
}

// The bodies of PROTOCOL 4, which no web server sends by chance.
constexpr std::array<std::string_view, 6> kGatewayAnswers{
    "post only\n", "type\n", "too large\n", "form\n", "unavailable\n", "refused\n"};

bool is_from_gateway(const HttpAnswer& answer) {
  return std::find(kGatewayAnswers.begin(), kGatewayAnswers.end(), answer.body) !=
         kGatewayAnswers.end();
}

std::string summary_of(const HttpAnswer& answer) {
  return answer.status == 0 ? answer.error : "HTTP " + std::to_string(answer.status);
}

// A form of about `size` bytes that contains no message.
std::string form_of(std::size_t size) {
  std::string form = "encrypted_message=";
  const std::size_t room = size - form.size();
  return form.append(room - room % 4, 'A');
}

class GatewayProbe {
 public:
  GatewayProbe(const ProbeOptions& options, const std::function<void(const CheckResult&)>& report)
      : options_(options), report_(report), client_({.state = directory_.path() + "/state"}) {}

  void run() {
    if (!check_gateway_answers() || !check_round_trip()) return;
    check_largest_body();
    check_content_encoding();
    check_chunked_body();
    check_get();
    check_hidden_files();
  }

 private:
  HttpAnswer post(std::string body, std::vector<std::string> headers = {}) const {
    return http_request({.url = url_, .body = std::move(body), .headers = std::move(headers)});
  }
  HttpAnswer get(const std::string& path) const { return http_request({.url = origin_ + path}); }

  // Posts a form without a message.  Finds out quickly that there is no gateway; a client would try
  // for about 15 s.
  bool check_gateway_answers() {
    url_ = Credential::parse(text_of(read_secret_file(options_.credential))).url;
    if (url_.empty()) {
      throw Fault(options_.credential +
                  " contains no URL. Set \"url\" in it to the gateway's URL.");
    }
    const std::size_t path = url_.find('/', url_.find("://") + 3);
    origin_ = url_.substr(0, path);
    path_ = path == std::string::npos ? "/" : url_.substr(path);
    const HttpAnswer answer = post(form_of(100));
    if (answer.body == "refused\n") return true;
    report_(explain(answer));
    return false;
  }

  bool check_round_trip() {
    const Outcome installed = client_.install(options_.credential);
    if (installed.kind != Outcome::Kind::kAccepted) return report_no_answer(installed);
    const auto started = std::chrono::steady_clock::now();
    const Outcome ping = client_.ping();
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    if (ping.kind != Outcome::Kind::kAccepted) return report_no_answer(ping);
    report_({Kind::kOk, url_ + " answers a handshake, and a sealed message in " +
                            std::to_string(spent.count()) + " ms."});
    const ClientState state = Outbox(directory_.path() + "/state").state();
    max_body_ = state.session ? state.session->max_body : 0;
    if (std::chrono::abs(state.offset) > kClockTolerance) {
      report_({Kind::kBroken,
               "The clocks of this client and the gateway differ by " +
                   std::to_string(std::chrono::abs(state.offset) / std::chrono::seconds(1)) +
                   " s. Set the clock that is wrong."});
    }
    return true;
  }

  bool report_no_answer(const Outcome& outcome) const {
    report_({Kind::kBroken, url_ + " reaches a gateway, but the outcome is " +
                                std::string(name_of(outcome.status)) + ": " + outcome.reason +
                                " Check that SEALPOST_HOME there names this home."});
    return false;
  }

  // Why a form does not reach the gateway.
  [[nodiscard]] CheckResult explain(const HttpAnswer& answer) const {
    const auto broken = [&](const std::string& what) {
      return CheckResult{Kind::kBroken, url_ + what};
    };
    if (answer.status == 0) return {Kind::kBroken, answer.error};
    if (is_program(answer)) {
      return broken(
          " sends the program instead of running it: Options +ExecCGI and the handler in .htaccess "
          "have no effect. Check whether AllowOverride is None.");
    }
    if (answer.body == "unavailable\n") {
      return broken(
          " reaches the gateway, but the gateway cannot use its home (503). The log, SEALPOST_LOG "
          "or "
          "the web server's, says why.");
    }
    if (is_from_gateway(answer)) {
      return broken(" reaches a gateway, but the request was changed (" +
                    answer.body.substr(0, answer.body.size() - 1) +
                    "). Check that the web server passes on CONTENT_TYPE, CONTENT_LENGTH and the "
                    "body.");
    }
    switch (answer.status) {
      case 301:
      case 302:
      case 307:
      case 308:
        return broken(" is redirected (" + summary_of(answer) + "). Use the URL it redirects to.");
      case 401:
      case 403:
        return broken(" is forbidden by the web server (" + summary_of(answer) +
                      "). Its error log says why; often the program is not executable.");
      case 404:
        return broken(" does not exist (404). Check where the web server has the program.");
      case 500:
        return broken(
            " fails in the web server (500). Its error log says why; often AllowOverride forbids a "
            "line of .htaccess, or suEXEC rejects an owner or a mode.");
      default:
        return broken(" answers " + summary_of(answer) + ", which no gateway does. Check the URL.");
    }
  }

  [[nodiscard]] bool passes(std::size_t size) const { return is_from_gateway(post(form_of(size))); }

  void check_largest_body() {
    if (passes(max_body_)) {
      return report_({Kind::kOk, "The web server passes on a body of " + std::to_string(max_body_) +
                                     " bytes, the most that the gateway accepts."});
    }
    std::size_t good = 0;
    std::size_t bad = max_body_;
    while (bad - good > kPrecision) {
      const std::size_t middle = good + (bad - good) / 2;
      (passes(middle) ? good : bad) = middle;
    }
    report_({Kind::kBroken,
             "The web server rejects bodies above about " + std::to_string(good) + " bytes (" +
                 summary_of(post(form_of(max_body_))) + "), but the gateway accepts " +
                 std::to_string(max_body_) +
                 ". Raise client_max_body_size, FcgidMaxRequestLen or LimitRequestBody, or set "
                 "SEALPOST_MAX_BODY to the web server's limit."});
  }

  void check_content_encoding() {
    const HttpAnswer answer = post(form_of(100), {"Content-Encoding: gzip"});
    if (answer.body == "type\n") {
      return report_({Kind::kOk, "The gateway rejects a compressed body."});
    }
    report_({Kind::kNote, "The web server changes or rejects a compressed body (" +
                              summary_of(answer) + "). Clients send none."});
  }

  void check_chunked_body() {
    const HttpAnswer answer = post(form_of(100), {"Transfer-Encoding: chunked"});
    report_({is_from_gateway(answer) ? Kind::kOk : Kind::kNote,
             is_from_gateway(answer) ? std::string("The web server passes on a chunked body.")
                                     : "The web server rejects a chunked body (" +
                                           summary_of(answer) + "). Clients send none."});
  }

  void check_get() {
    const HttpAnswer answer = get(path_);
    if (is_program(answer)) {
      return report_(
          {Kind::kBroken, "A GET of " + url_ +
                              " sends the program itself. Configure the web server to run "
                              "it for every method, or to reject other methods."});
    }
    report_({Kind::kOk, "A GET is rejected (" + summary_of(answer) + ")."});
  }

  void check_hidden_files() {
    const std::string htaccess = path_.substr(0, path_.rfind('/') + 1) + ".htaccess";
    bool served = false;
    if (const HttpAnswer answer = get(htaccess); answer.status == 200 && !is_from_gateway(answer)) {
      served = true;
      report_({Kind::kBroken,
               origin_ + htaccess + " is served to everybody. Deny files that begin with .ht."});
    }
    for (const std::string& path : options_.hidden) {
      const HttpAnswer answer = get(path);
      if (answer.status != 200 || !answer.body.starts_with(url_)) continue;
      served = true;
      report_(
          {Kind::kBroken,
           origin_ + path +
               " is served to everybody, and so is the home with its keys. Move the home out of "
               "the document root, then run `sealpost key rotate` and renew every client."});
    }
    if (!served) report_({Kind::kOk, "The web server serves neither .htaccess nor the home."});
  }

  const ProbeOptions& options_;
  const std::function<void(const CheckResult&)>& report_;
  TemporaryDirectory directory_;
  Client client_;
  std::string url_;
  std::string origin_;  // "https://host:port"
  std::string path_;    // of the gateway, after `origin_`
  std::size_t max_body_ = 0;
};

}  // namespace

void probe(const ProbeOptions& options, const std::function<void(const CheckResult&)>& report) {
  GatewayProbe(options, report).run();
}

}  // namespace sealpost
