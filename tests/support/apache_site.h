// Apache, with nothing but a ready .htaccess file in the folder of the program.
#pragma once

#include "support/site.h"

namespace sealpost::test {

struct ApacheOptions {
  std::string htaccess;     // the name of a file in htaccess/
  std::vector<Edit> edits;  // what is changed in it besides home and log
  // What lies there as sealpost.fcgi: the program, a ready file, or (empty) an empty file.
  std::string program = "sealpost.fcgi";
  bool prefork = false;  // mod_cgi instead of mod_cgid
  bool tls = false;
  std::string allow = "FileInfo Options AuthConfig";  // AllowOverride
  std::string lines;                                  // more of the server's configuration
  // Starts it; unless set, as this test's user.
  std::function<Process(const std::vector<std::string>& words, const std::string& output)> start;
};

class ApacheSite : public Site {
 public:
  explicit ApacheSite(const ApacheOptions& options);
  // On a host that takes as large bodies as the other sites.
  explicit ApacheSite(const std::string& htaccess);

  [[nodiscard]] pid_t id() const { return apache_->id(); }
  [[nodiscard]] std::string docroot() const { return folder / "docroot"; }
  // Where Apache itself writes.
  [[nodiscard]] std::string run_folder() const { return folder / "apache"; }
  [[nodiscard]] std::string error_log() const { return read_text(run_folder() + "/error.log"); }

 private:
  std::optional<Process> apache_;
};

}  // namespace sealpost::test
