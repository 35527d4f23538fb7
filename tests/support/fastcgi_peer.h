// The web server's end of a FastCGI connection.  A test writes it record by record and can stop
// anywhere.
#pragma once

#include <map>
#include <string>

namespace sealpost::test {

class FastcgiPeer {
 public:
  // Takes over a connected socket.
  explicit FastcgiPeer(int file) : file_(file) {}
  // Connects to a unix socket.
  explicit FastcgiPeer(const std::string& path);
  ~FastcgiPeer();
  FastcgiPeer(const FastcgiPeer&) = delete;
  FastcgiPeer& operator=(const FastcgiPeer&) = delete;

  void begin(bool keep);
  void params(const std::map<std::string, std::string>& values);
  void body(const std::string& bytes);  // one STDIN record or more
  void end_body();                      // the empty one
  // A whole request: a POST with this body.
  void request(const std::string& bytes, bool keep, std::map<std::string, std::string> more = {});

  // Whether the gateway has read everything that was sent.
  [[nodiscard]] bool is_read() const;

  // What came on STDOUT until END_REQUEST. `ended` is false if the connection closed before that.
  struct Answer {
    std::string text;
    bool ended = false;
    [[nodiscard]] int status() const;        // of the "Status:" line, 0 for none
    [[nodiscard]] std::string body() const;  // after the empty line
  };
  [[nodiscard]] Answer read() const;
  // Whether the gateway has closed the connection.
  [[nodiscard]] bool is_closed() const;
  void close();

 private:
  void record(unsigned char type, const std::string& content) const;

  int file_;
};

}  // namespace sealpost::test
