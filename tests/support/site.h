// A real web server, real gateways behind it, and their own home.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/home.h"
#include "store/inbox.h"
#include "support/peer.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace sealpost::test {

// An HTTP answer with its head.
struct HttpReply {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;
};
// Sends one request over its own connection.
[[nodiscard]] HttpReply http(const std::string& url, const std::string& method,
                             const std::vector<std::string>& headers, const std::string& body);
// Whether a server answers at the URL.
[[nodiscard]] bool answers(const std::string& url);
// Posts a form as a client does.  Each thread keeps one connection.
[[nodiscard]] Reply post_form(const std::string& url, const std::string& form);

// A change to a ready file.  The file must contain `from`.
struct Edit {
  std::string from;
  std::string to;
};

class Site {
 public:
  virtual ~Site() = default;
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  TempDir folder;
  Home home;

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] virtual Wire wire() const;
  // Writes the home's file of routes.
  void routes(const std::string& text) const { write_text(home.routes_file(), text); }
  // Writes an executable shell script, and returns its path.
  [[nodiscard]] std::string script(const std::string& name, const std::string& text) const;
  // The text of a ready file of this tree, with this site's paths and then the edits.
  [[nodiscard]] std::string ready_file(const std::string& path,
                                       const std::vector<Edit>& edits = {}) const;
  // A file with a key and a self-signed certificate.
  [[nodiscard]] std::string certificate() const;
  // Issues a client that posts to this site.
  [[nodiscard]] Peer client(const std::string& name = "client1", const std::string& role = "sensor",
                            const std::vector<std::string>& more = {}) const;
  // Issues a client, and returns its credential file for sealpost-client.
  [[nodiscard]] std::string credential(const std::string& name, const std::string& url);
  // Runs the operator's tool on this home.
  RunResult operate(std::vector<std::string> words) const;
  [[nodiscard]] std::vector<InboxRow> inbox() const;
  // The bodies in the inbox, each followed by a newline.
  [[nodiscard]] std::string bodies() const;
  // The gateway's log, and the last line of it.
  [[nodiscard]] std::string log() const { return read_text(folder / "log"); }
  [[nodiscard]] std::string last_line() const;

 protected:
  Site();
  void set_url(const std::string& url);

 private:
  std::string url_;
};

struct NginxOptions {
  int processes = 1;
  std::vector<std::string> arguments;  // of sealpost.fcgi
  std::vector<std::string> params;     // more lines for nginx's location
  bool keep = false;                   // FastCGI connections
  std::string gateway = "sealpost.fcgi";
  // The test holds the socket, as systemd would, so requests wait while no gateway runs.  Without
  // it, spawn-fcgi starts the gateways, which takes a tenth of a second.
  bool holds_socket = false;
};

// nginx, and gateways behind it.
class NginxSite : public Site {
 public:
  explicit NginxSite(const NginxOptions& options = {});
  ~NginxSite() override;

  // The gateway processes.
  std::vector<Process> gateways;
  void start_gateways();
  // Kills all of them with SIGKILL.
  void kill_gateways();
  // The gateways' socket. nginx answers 502 while no gateway runs, unless the test holds it.
  [[nodiscard]] std::string socket() const { return folder / "socket"; }

 private:
  NginxOptions options_;
  int listener_ = -1;  // if it holds the socket
  std::optional<Process> nginx_;
};

}  // namespace sealpost::test
