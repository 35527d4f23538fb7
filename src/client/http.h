// HTTP requests to the gateway.  The only files that use libcurl.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace sealpost {

struct HttpAnswer {
  int status = 0;     // 0: no answer arrived
  std::string body;   // at most 1 MiB
  std::string error;  // why no answer arrived, with the URL, but without its secrets
};

struct HttpRequest {
  std::string url;
  std::optional<std::string> body;   // of a POST; without one the method is GET
  std::vector<std::string> headers;  // "Name: value", besides the form's content type
};

// Sends a request on a new connection, with the limits of http_post() below and 15 s for the whole
// request.  Of a larger answer the first MiB is returned.
[[nodiscard]] HttpAnswer http_request(const HttpRequest& request);

// Sends a form and waits for the answer.
using Post = std::function<HttpAnswer(const std::string& form)>;

// What a connection asks and tells while it waits.
struct HttpWatch {
  std::function<Milliseconds()> left;  // of the command's time; 0 if it is up
  // Receives a sentence about once a second if a request takes longer than that.
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

// Returns a function that posts to `url` and keeps the connection open between calls.  It does not
// follow redirects, takes a proxy from the environment, and waits at most 10 s for the connection.
// How long a request may take: see cut_of() in client/time_limit.h.  An answer of more than 1 MiB
// is an error.
[[nodiscard]] Post http_post(const std::string& url, HttpWatch watch);

}  // namespace sealpost
