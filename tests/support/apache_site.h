// Apache, configured only by a ready .htaccess file beside the program.
#pragma once

#include "support/site.h"

namespace sealpost::test {

struct ApacheOptions {
  std::string htaccess;     // the name of a file in htaccess/
  std::vector<Edit> edits;  // changes to it, besides home and log
  // What the folder has as sealpost.fcgi: the program, a ready file, or (if empty) an empty file.
  std::string program = "sealpost.fcgi";
  bool prefork = false;  // mod_cgi instead of mod_cgid
  bool tls = false;
  std::string allow = "FileInfo Options AuthConfig";  // AllowOverride
  std::string lines;                                  // more of the server's configuration
  // Starts Apache.  If not set, Apache runs as this test's user.
  std::function<Process(const std::vector<std::string>& words, const std::string& output)> start;
};

class ApacheSite : public Site {
 public:
  explicit ApacheSite(const ApacheOptions& options);
  // A host that accepts bodies as large as the other sites do.
  explicit ApacheSite(const std::string& htaccess);

  [[nodiscard]] pid_t id() const { return apache_->id(); }
  [[nodiscard]] std::string docroot() const { return folder / "docroot"; }
  // Apache's own files.
  [[nodiscard]] std::string run_folder() const { return folder / "apache"; }
  [[nodiscard]] std::string error_log() const { return read_text(run_folder() + "/error.log"); }

 private:
  std::optional<Process> apache_;
};

}  // namespace sealpost::test
