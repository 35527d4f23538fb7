// The operator's file of routes: who may send what, and where it goes.
//
//   # topic        claims                     to
//   telemetry/*    role=sensor                inbox
//   orders         role=shop|operator site=*  exec /home/u/bin/take-order
//   app/*          role=*                     http http://127.0.0.1:8080/in
//   app2/*         role=*                     http unix:/home/u/app.sock:/in
//   *              -                          refuse
//
// One route a line; the first that matches decides, and what none matches is refused.  In a topic
// and in a claim's value, * stands for any run of characters and | parts alternatives; every claim
// that is named must be there and match, - names none.  The path behind exec goes to the end of
// its line.  Empty lines and lines that begin with # say nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_watch.h"
#include "protocol/claims.h"

namespace sealpost {

// Where a message goes.
struct Target {
  enum class Kind : std::uint8_t { kInbox, kExec, kHttp, kReject };
  Kind kind = Kind::kInbox;
  std::string program;         // exec: an absolute path
  std::string address;         // http: an IP address, or the path of a unix socket
  std::uint16_t port = 0;      // http: 0 for a unix socket
  std::string request_target;  // http: the path, and a query if there is one
  std::string text = "inbox";  // as it stands in the file

  // Whether somebody must be handed the message.
  [[nodiscard]] bool has_handler() const { return kind == Kind::kExec || kind == Kind::kHttp; }
};

struct Route {
  int line = 0;  // 0: nobody wrote it
  std::string topic = "*";
  std::vector<std::pair<std::string, std::string>> claims;
  Target to;

  // Empty if it matches; else the first thing that does not, in words: "role is sensor, not shop".
  [[nodiscard]] std::string mismatch(std::string_view of_topic, const Claims& of) const;
};

struct Complaint {
  int line;
  std::string reason;
};

struct Routes {
  std::vector<Route> routes{Route{}};  // without a file everything goes to the inbox
  std::vector<Complaint> complaints;   // of the lines that cannot be read

  [[nodiscard]] static Routes parse(std::string_view text);

  // The first route that matches, or null.
  [[nodiscard]] const Route* match(std::string_view topic, const Claims& claims) const;
};

// The file, read when it has changed.
class RoutesFile {
 public:
  explicit RoutesFile(std::string path) : path_(std::move(path)), watch_(path_) {}

  // Whatever the file says, complaints and all.  Throws Fault if it is there and cannot be read.
  [[nodiscard]] const Routes& read();
  // The same, and throws Fault, with file, line and reason, if any line cannot be read.
  [[nodiscard]] const Routes& current();

 private:
  std::string path_;
  FileWatch watch_;
  Routes routes_;
};

// Whether a pattern of * and | matches all of a text.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);

}  // namespace sealpost
