#include "client/http.h"

#include <curl/curl.h>

#include "base/result.h"

namespace sealpost {
namespace {

constexpr std::size_t kAnswerMax = 1U << 20;
constexpr long kConnectSeconds = 10;
constexpr long kTotalSeconds = 30;

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kAnswerMax) return 0;  // curl gives up: no answer of ours is that large
  body.append(data, size);
  return size;
}

// What people may read of a URL: what stands before an @ or behind a ? can be a password.
std::string without_secrets(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const std::size_t host = shown.find("://") + 3;
  const std::size_t at = shown.substr(0, shown.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) shown.erase(host, at + 1 - host);
  return shown;
}

class Poster {
 public:
  explicit Poster(const std::string& url, bool part_will_do = false)
      : shown_(without_secrets(url)), part_will_do_(part_will_do), curl_(curl_easy_init()) {
    if (curl_ == nullptr) throw Fault("libcurl cannot start");
    headers_ = curl_slist_append(headers_, "Content-Type: application/x-www-form-urlencoded");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "sealpost-client/" SEALPOST_VERSION);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT, kTotalSeconds);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, take);
  }
  ~Poster() {
    curl_slist_free_all(headers_);
    curl_easy_cleanup(curl_);
  }
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  // For every request that follows.
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
    if (done == CURLE_WRITE_ERROR && part_will_do_) return answer;
    if (done == CURLE_WRITE_ERROR) {
      return {0, {}, shown_ + " answers more than any gateway does: is the URL right?"};
    }
    if (done != CURLE_OK) return {0, {}, shown_ + ": " + curl_easy_strerror(done)};
    return answer;
  }

  std::string shown_;
  bool part_will_do_;  // of an answer that is too large
  CURL* curl_;
  curl_slist* headers_ = nullptr;
};

void require_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw Fault("libcurl cannot start");
}

}  // namespace

HttpAnswer http_request(const HttpRequest& question) {
  require_curl();
  Poster poster(question.url, true);
  for (const std::string& header : question.headers) poster.add_header(header);
  return question.body ? poster.post(*question.body) : poster.get();
}

Post http_post(const std::string& url) {
  require_curl();
  auto poster = std::make_shared<Poster>(url);
  return [poster](const std::string& form) { return poster->post(form); };
}

}  // namespace sealpost
