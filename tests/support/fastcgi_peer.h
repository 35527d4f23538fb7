// The web server's end of a FastCGI connection, record by record, so that a test can break off
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
  // All of them, with what a POST of this body has.
  void request(const std::string& bytes, bool keep, std::map<std::string, std::string> more = {});

  // Whether the other side has read all that was sent.
  [[nodiscard]] bool is_read() const;

  // What came on STDOUT until END_REQUEST; ended is false if the connection broke off before.
  struct Answer {
    std::string text;
    bool ended = false;
    [[nodiscard]] int status() const;        // of the "Status:" line, 0 for none
    [[nodiscard]] std::string body() const;  // behind the empty line
  };
  [[nodiscard]] Answer read() const;
  // Whether the other side has closed.
  [[nodiscard]] bool is_closed() const;
  void close();

 private:
  void record(unsigned char type, const std::string& content) const;

  int file_;
};

}  // namespace sealpost::test
