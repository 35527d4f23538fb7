// The routes file, which the operator writes: who may send what, and where it is delivered.
//
//   # topic        claims                     to
//   telemetry/*    role=sensor                inbox
//   orders         role=shop|operator site=*  exec /home/u/bin/take-order
//   app/*          role=*                     http http://127.0.0.1:8080/in
//   app2/*         role=*                     http unix:/home/u/app.sock:/in
//   *              -                          reject
//
// Each line is a route.  The first route that matches a message decides.  A message that no route
// matches is rejected.  In a topic and in a claim's value, * matches any characters and | separates
// alternatives.  The client must have every claim of the route, with a value that matches; - means
// no claims.  The path after exec ends at the end of the line.  Empty lines and lines that begin
// with # are ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_watch.h"
#include "protocol/claims.h"

namespace sealpost {

// Where a message is delivered.
struct Target {
  enum class Kind : std::uint8_t { kInbox, kExec, kHttp, kReject };
  Kind kind = Kind::kInbox;
  std::string program;         // exec: an absolute path
  std::string address;         // http: an IP address, or the path of a unix socket
  std::uint16_t port = 0;      // http: 0 for a unix socket
  std::string request_target;  // http: the path, and a query if there is one
  std::string text = "inbox";  // as in the file

  // Whether the message must be given to a handler.
  [[nodiscard]] bool has_handler() const { return kind == Kind::kExec || kind == Kind::kHttp; }
};

struct Route {
  int line = 0;  // 0: the default route
  std::string topic = "*";
  std::vector<std::pair<std::string, std::string>> claims;
  Target to;

  // Returns "" if the route matches, else why it does not: "role is sensor, not shop".
  [[nodiscard]] std::string mismatch(std::string_view of_topic, const Claims& of) const;
};

struct Complaint {
  int line;
  std::string reason;
};

struct Routes {
  std::vector<Route> routes{Route{}};  // without a file: everything to the inbox
  std::vector<Complaint> complaints;   // about lines that cannot be read

  [[nodiscard]] static Routes parse(std::string_view text);

  // Whether routes lead to more than one program or web application.
  [[nodiscard]] bool has_several_handlers() const;

  // Returns the first route that matches, or null.
  [[nodiscard]] const Route* match(std::string_view topic, const Claims& claims) const;
};

// Reads the routes file when it has changed.
class RoutesFile {
 public:
  explicit RoutesFile(std::string path) : path_(std::move(path)), watch_(path_) {}

  // Returns the routes with all complaints.  Throws Fault if the file exists and cannot be read.
  [[nodiscard]] const Routes& read();
  // The same, but throws Fault with file, line and reason if a line cannot be read.
  [[nodiscard]] const Routes& current();

 private:
  std::string path_;
  FileWatch watch_;
  Routes routes_;
};

// Whether a pattern with * and | matches the whole text.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace sealpost
