#include "support/apache_site.h"

#include <sys/stat.h>

namespace sealpost::test {
namespace {

ApacheOptions on_a_generous_host(const std::string& htaccess) {
  ApacheOptions options{.htaccess = htaccess};
  if (htaccess == "fcgid.htaccess") {
    options.edits = {{"\nSetEnv SEALPOST_MAX_BODY 131072", "\nSetEnv SEALPOST_MAX_BODY 1048576"}};
    options.lines = "FcgidMaxRequestLen 2000000\n";
  }
  return options;
}

std::string configuration(const ApacheSite& site, const ApacheOptions& options, int port) {
  std::vector<std::string> modules = {"authz_core", "env",   "setenvif",
                                      "fcgid",      "proxy", "proxy_fcgi"};
  if (options.prefork) {
    modules.insert(modules.end(), {"mpm_prefork", "cgi"});
  } else {
    modules.insert(modules.end(), {"mpm_event", "cgid"});
  }
  if (options.tls) modules.emplace_back("ssl");
  std::string text;
  for (const std::string& name : modules) {
    text += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n";
  }
  const std::string run = site.run_folder();
  text += "ServerName localhost\nServerRoot " + run + "\nPidFile " + run + "/pid\nErrorLog " + run +
          "/error.log\nListen 127.0.0.1:" + std::to_string(port) + "\nDocumentRoot " +
          site.docroot() + "\nFcgidIPCDir " + run + "/fcgid\nFcgidProcessTableFile " + run +
          "/fcgid_shm\nMutex file:" + run + "\nStartServers 1\n";
  // mod_fcgid must be started as root if suEXEC is enabled.
  text += options.start ? "" : "Suexec Off\n";
  if (!options.prefork) text += "ScriptSock " + run + "/cgisock\n";
  if (options.tls) {
    text += "SSLEngine on\nSSLSessionCache none\nSSLCertificateFile " + site.certificate() + "\n";
  }
  return text + options.lines + "<Directory " + site.docroot() + ">\n AllowOverride " +
         options.allow + "\n</Directory>\n";
}

}  // namespace

ApacheSite::ApacheSite(const std::string& htaccess) : ApacheSite(on_a_generous_host(htaccess)) {}

ApacheSite::ApacheSite(const ApacheOptions& options) {
  // Every user may read what the web server serves.  The home was created before.
  const mode_t before = umask(022);
  chmod(folder.path().c_str(), 0755);
  std::filesystem::create_directory(docroot());
  std::filesystem::create_directory(run_folder());
  if (options.program == "sealpost.fcgi") {
    std::filesystem::copy_file(program("sealpost.fcgi"), docroot() + "/sealpost.fcgi");
  } else {
    write_text(docroot() + "/sealpost.fcgi",
               options.program.empty() ? "" : ready_file(options.program));
  }
  chmod((docroot() + "/sealpost.fcgi").c_str(), 0755);
  write_text(docroot() + "/notes.txt", "private");
  std::string text = ready_file("htaccess/" + options.htaccess, options.edits);
  if (const std::size_t at = text.find("#SetEnv SEALPOST_LOG"); at != std::string::npos)
    text.erase(at, 1);
  write_text(docroot() + "/.htaccess", text);
  const int port = free_port();
  write_text(folder / "httpd.conf", configuration(*this, options, port));
  umask(before);

  set_url((options.tls ? "https" : "http") + ("://127.0.0.1:" + std::to_string(port)) +
          "/sealpost.fcgi");
  // At its end mod_mpm_prefork kills its whole process group.
  const std::vector<std::string> words = {
      "/usr/bin/setsid", "/usr/sbin/apache2", "-D", "FOREGROUND", "-f", folder / "httpd.conf"};
  if (options.start) {
    apache_.emplace(options.start(words, folder / "apache.out"));
  } else {
    apache_.emplace(words, folder / "apache.out");
  }
  eventually("Apache answers", [&] {
    if (!apache_->is_running()) throw std::runtime_error(read_text(folder / "apache.out"));
    return answers(url());
  });
}

}  // namespace sealpost::test
