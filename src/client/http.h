// One HTTP POST, through libcurl.  The only room that names it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sealpost {

struct HttpAnswer {
  int status = 0;       // 0: none came
  std::string body;     // at most 1 MiB; where there is more none came
  std::string trouble;  // why none came, and from where, without what may be secret of the URL
};

// Any request, for who wants to know what stands before the gateway.
struct HttpRequest {
  std::string url;
  std::string method = "POST";
  std::optional<std::string> body;   // of a POST; none: GET
  std::vector<std::string> headers;  // "Name: value", besides the form's media type
};

// Asks over a connection of its own, under the limits below; of a larger answer the first MiB
// comes.
[[nodiscard]] HttpAnswer http_request(const HttpRequest& question);

// Sends a form and waits for the answer.  What the sender sees of the network.
using Post = std::function<HttpAnswer(const std::string& form)>;

// Posts to `url`, keeping the connection from one call to the next.  Redirects are not followed; a
// proxy is taken from the environment; at most 10 s to connect and 30 s in all.
[[nodiscard]] Post http_post(const std::string& url);

}  // namespace sealpost
