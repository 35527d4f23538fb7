#include "client/http.h"

#include <curl/curl.h>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr std::size_t kMaxAnswer = 1U << 20;
constexpr long kConnectSeconds = 10;
constexpr long kTotalSeconds = 30;

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

// What to do with an answer of more than kMaxAnswer bytes.
enum class LargeAnswer { kIsError, kIsTruncated };

class HttpConnection {
 public:
  HttpConnection(const std::string& url, LargeAnswer large_answer)
      : shown_(without_secrets(url)), large_answer_(large_answer), curl_(curl_easy_init()) {
    if (curl_ == nullptr) throw Fault("Cannot initialize libcurl.");
    headers_ = curl_slist_append(headers_, "Content-Type: application/x-www-form-urlencoded");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "sealpost-client/" SEALPOST_VERSION);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT, kTotalSeconds);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, append_to_body);
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
  HttpAnswer perform() {
    HttpAnswer answer;
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &answer.body);
    const CURLcode done = curl_easy_perform(curl_);
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    if (done == CURLE_WRITE_ERROR && large_answer_ == LargeAnswer::kIsTruncated) return answer;
    if (done == CURLE_WRITE_ERROR) {
      return {0, {}, shown_ + " sent a larger answer than any gateway does. Check the URL."};
    }
    if (done != CURLE_OK) return {0, {}, shown_ + ": " + curl_easy_strerror(done) + "."};
    return answer;
  }

  std::string shown_;
  LargeAnswer large_answer_;
  CURL* curl_;
  curl_slist* headers_ = nullptr;
};

void require_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw Fault("Cannot initialize libcurl.");
}

}  // namespace

HttpAnswer http_request(const HttpRequest& request) {
  require_curl();
  HttpConnection connection(request.url, LargeAnswer::kIsTruncated);
  for (const std::string& header : request.headers) connection.add_header(header);
  return request.body ? connection.post(*request.body) : connection.get();
}

Post http_post(const std::string& url) {
  require_curl();
  auto connection = std::make_shared<HttpConnection>(url, LargeAnswer::kIsError);
  return [connection](const std::string& form) { return connection->post(form); };
}

}  // namespace sealpost
