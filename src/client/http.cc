#include "client/http.h"

#include <curl/curl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "base/result.h"
#include "client/time_limit.h"

namespace sealpost {
namespace {

constexpr std::size_t kMaxAnswer = 1U << 20;
constexpr Milliseconds kConnectTimeout = 10 * kSecond;
constexpr Milliseconds kRequestTimeout = 15 * kSecond;  // of a request without a command

// curl's CURLOPT_WRITEFUNCTION.  Returning 0 makes curl stop: no gateway's answer is that large.
std::size_t append_to_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kMaxAnswer) return 0;
  body.append(data, size);
  return size;
}

// A URL for messages.  Drops what may be a password: the part before an @ and the part after a ?.
std::string without_secrets(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const std::size_t host = shown.find("://") + 3;
  const std::size_t at = shown.substr(0, shown.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) shown.erase(host, at + 1 - host);
  return shown;
}

// A number of bytes for people.
std::string kilobytes(curl_off_t bytes) { return std::to_string((bytes + 999) / 1000) + " kB"; }

// What to do with an answer of more than kMaxAnswer bytes.
enum class LargeAnswer { kIsError, kIsTruncated };

class HttpConnection {
 public:
  HttpConnection(const std::string& url, LargeAnswer large_answer, HttpWatch watch)
      : shown_(without_secrets(url)),
        large_answer_(large_answer),
        watch_(std::move(watch)),
        curl_(curl_easy_init()) {
    if (curl_ == nullptr) throw Fault("Cannot initialize libcurl.");
    headers_ = curl_slist_append(headers_, "Content-Type: application/x-www-form-urlencoded");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "sealpost-client/" SEALPOST_VERSION);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, append_to_body);
    curl_easy_setopt(curl_, CURLOPT_SOCKOPTFUNCTION, note_socket);
    curl_easy_setopt(curl_, CURLOPT_SOCKOPTDATA, this);
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, watch_transfer);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, this);
  }
  ~HttpConnection() {
    curl_slist_free_all(headers_);
    curl_easy_cleanup(curl_);
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Adds a header to all later requests.
  void add_header(const std::string& header) {
    headers_ = curl_slist_append(headers_, header.c_str());
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
  }

  HttpAnswer get() {
    curl_easy_setopt(curl_, CURLOPT_HTTPGET, 1L);
    return perform();
  }

  HttpAnswer post(const std::string& form) {
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, form.data());
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(form.size()));
    return perform();
  }

 private:
  using Clock = std::chrono::steady_clock;

  // curl's CURLOPT_SOCKOPTFUNCTION.
  static int note_socket(void* connection, curl_socket_t socket, curlsocktype) {
    static_cast<HttpConnection*>(connection)->socket_ = socket;
    return CURL_SOCKOPT_OK;
  }

  // curl's CURLOPT_XFERINFOFUNCTION, called at least once a second.  Returns 1 to end the transfer.
  static int watch_transfer(void* connection, curl_off_t, curl_off_t received, curl_off_t to_send,
                            curl_off_t sent) {
    return static_cast<HttpConnection*>(connection)->watch(received, to_send, sent) ? 0 : 1;
  }

  // Returns whether the transfer may go on.
  bool watch(curl_off_t received, curl_off_t to_send, curl_off_t sent) {
    const Clock::time_point now = Clock::now();
    const curl_off_t arrived = std::max<curl_off_t>(sent - unacknowledged(), 0);
    if (received + arrived != bytes_) moved_at_ = now;
    bytes_ = received + arrived;
    cut_ = cut_of({span(started_, moved_at_), span(moved_at_, now)}, watch_.left());
    if (now - told_at_ >= std::chrono::seconds(1)) {
      told_at_ = now;
      watch_.progress(arrived < to_send ? "Sent " + kilobytes(arrived) + " of " +
                                              kilobytes(to_send) + " to " + shown_ + "."
                                        : "Waiting for the answer of " + shown_ + ".");
    }
    return cut_ == Cut::kNone;
  }

  // What curl has handed to the kernel but the far end has not acknowledged.  A slow uplink needs
  // seconds for what is in the kernel's buffer.
  [[nodiscard]] curl_off_t unacknowledged() const {
    int bytes = 0;
    return ioctl(socket_, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
  }

  [[nodiscard]] static Milliseconds span(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration_cast<Milliseconds>(to - from);
  }

  HttpAnswer perform() {
    HttpAnswer answer;
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &answer.body);
    const Milliseconds connect = std::clamp(watch_.left(), Milliseconds{1}, kConnectTimeout);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()));
    started_ = moved_at_ = told_at_ = Clock::now();
    bytes_ = 0;
    cut_ = Cut::kNone;
    const CURLcode done = curl_easy_perform(curl_);
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    if (done == CURLE_WRITE_ERROR && large_answer_ == LargeAnswer::kIsTruncated) return answer;
    if (done != CURLE_OK) return {0, {}, explain(done)};
    return answer;
  }

  [[nodiscard]] std::string explain(CURLcode error) const {
    if (error == CURLE_WRITE_ERROR) {
      return shown_ + " sent a larger answer than any gateway does. Check the URL.";
    }
    if (cut_ == Cut::kStandsStill) return shown_ + ": no byte moved for 20 s.";
    if (cut_ == Cut::kTimeIsUp) return shown_ + ": no answer arrived in time.";
    return shown_ + ": " + curl_easy_strerror(error) + ".";
  }

  std::string shown_;
  LargeAnswer large_answer_;
  HttpWatch watch_;
  CURL* curl_;
  curl_slist* headers_ = nullptr;
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  // About the transfer:
  Clock::time_point started_;
  Clock::time_point moved_at_;  // when the last byte moved
  Clock::time_point told_at_;   // when progress was last reported
  curl_off_t bytes_ = 0;
  Cut cut_ = Cut::kNone;
};

void require_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw Fault("Cannot initialize libcurl.");
}

}  // namespace

HttpAnswer http_request(const HttpRequest& request) {
  require_curl();
  const TimeLimit limit(kRequestTimeout);
  HttpConnection connection(request.url, LargeAnswer::kIsTruncated,
                            {.left = [&limit] { return limit.left(); }});
  for (const std::string& header : request.headers) connection.add_header(header);
  return request.body ? connection.post(*request.body) : connection.get();
}

Post http_post(const std::string& url, HttpWatch watch) {
  require_curl();
  auto connection = std::make_shared<HttpConnection>(url, LargeAnswer::kIsError, std::move(watch));
  return [connection](const std::string& form) { return connection->post(form); };
}

}  // namespace sealpost
