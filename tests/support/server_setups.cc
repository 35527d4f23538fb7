#include "support/server_setups.h"

#include <sys/stat.h>

#include <sstream>

#include "support/apache_site.h"

namespace sealpost::test {
namespace {

enum class Starter { kSpawnFcgi, kMultiwatch, kSystemd };

// Runs deploy/nginx/start-sealpost.  The process is the gateway, or multiwatch with two gateways.
Process spawned(const Site& site, bool several) {
  std::vector<Edit> edits;
  if (several) edits.push_back({"processes=1\n", "processes=2\n"});
  const std::string script = site.folder / "start-sealpost";
  write_text(script, site.ready_file("deploy/nginx/start-sealpost", edits));
  chmod(script.c_str(), 0700);
  const RunResult ran = run({script});
  if (ran.status != 0) throw std::runtime_error("start-sealpost: " + ran.out + ran.err);
  return Process(std::stoi(read_text(site.folder / "sealpost.pid")));
}

// What follows NAME= in a unit.
std::string unit_line(const std::string& unit, const std::string& name) {
  std::istringstream lines(unit);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  throw std::runtime_error("the unit has no " + name);
}

// Does what systemd does for the two units: listens where the socket unit says, and at the first
// request starts the program of the service unit with the listening socket as file descriptor 0.
Process activated(const Site& site) {
  const std::string service = site.ready_file("deploy/systemd/sealpost.service");
  const std::string socket =
      unit_line(site.ready_file("deploy/systemd/sealpost.socket"), "ListenStream");
  if (unit_line(service, "StandardInput") != "socket") throw std::runtime_error("not as fd 0");
  std::vector<std::string> words = {"/usr/bin/systemd-socket-activate", "--inetd", "-l", socket};
  std::istringstream command(unit_line(service, "ExecStart"));
  for (std::string word; command >> word;) words.push_back(word);
  Process process(words, site.folder / "log");
  eventually("systemd-socket-activate listens", [&] {
    if (!process.is_running()) throw std::runtime_error(site.log());
    return std::filesystem::exists(socket);
  });
  return process;
}

Process started(const Site& site, Starter starter) {
  if (starter == Starter::kSystemd) return activated(site);
  return spawned(site, starter == Starter::kMultiwatch);
}

// Apache and a gateway that was started beside it.
class ApacheProxySite : public ApacheSite {
 public:
  ApacheProxySite() : ApacheSite(ApacheOptions{.htaccess = "proxy-fcgi.htaccess"}) {}

 private:
  Process gateway_ = spawned(*this, false);
};

class DeployedNginx : public Site {
 public:
  explicit DeployedNginx(Starter starter, bool tls = false) : gateway_(started(*this, starter)) {
    const int port = free_port();
    std::filesystem::create_directory(folder / "docroot");
    write_text(folder / "sealpost.conf", ready_file("deploy/nginx/sealpost.conf"));
    std::string text = "daemon off; master_process off; pid " + (folder / "nginx.pid") +
                       ";\nerror_log " + (folder / "nginx.log") +
                       ";\nevents {}\nhttp {\naccess_log off;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      text += std::string(kind) + "_temp_path " + (folder / kind) + ";\n";
    }
    text += "server {\nlisten 127.0.0.1:" + std::to_string(port) + (tls ? " ssl;\n" : ";\n");
    if (tls) {
      const std::string file = certificate();
      text += "ssl_certificate " + file + ";\nssl_certificate_key " + file + ";\n";
    }
    write_text(folder / "nginx.conf",
               text + "root " + (folder / "docroot") + ";\ninclude sealpost.conf;\n}\n}\n");
    set_url((tls ? "https" : "http") + ("://127.0.0.1:" + std::to_string(port)) + "/gate");
    nginx_.emplace(std::vector<std::string>{"/usr/sbin/nginx", "-c", folder / "nginx.conf"},
                   folder / "nginx.out");
    eventually("nginx answers", [&] { return answers(url()); });
  }

 private:
  Process gateway_;
  std::optional<Process> nginx_;
};

class Lighttpd : public Site {
 public:
  // `file` is the name of one in deploy/lighttpd/.
  explicit Lighttpd(const std::string& file) {
    const int port = free_port();
    std::filesystem::create_directory(folder / "docroot");
    write_text(folder / file, ready_file("deploy/lighttpd/" + file));
    write_text(folder / "lighttpd.conf",
               "server.bind = \"127.0.0.1\"\nserver.port = " + std::to_string(port) +
                   "\nserver.document-root = \"" + (folder / "docroot") +
                   "\"\nserver.errorlog = \"" + (folder / "lighttpd.log") +
                   "\"\nserver.upload-dirs = ( \"" + folder.path() + "\" )\ninclude \"" + file +
                   "\"\n");
    set_url("http://127.0.0.1:" + std::to_string(port) + "/gate");
    lighttpd_.emplace(
        std::vector<std::string>{"/usr/sbin/lighttpd", "-D", "-f", folder / "lighttpd.conf"},
        folder / "lighttpd.out");
    eventually("lighttpd answers", [&] { return answers(url()); });
  }

 private:
  std::optional<Process> lighttpd_;
};

template <class Kind, class... Arguments>
std::function<std::unique_ptr<Site>()> site_of(Arguments... arguments) {
  return [=] { return std::make_unique<Kind>(arguments...); };
}

std::function<std::unique_ptr<Site>()> apache(const ApacheOptions& options) {
  return site_of<ApacheSite>(options);
}

}  // namespace

const std::vector<ServerSetup>& server_setups() {
  const std::size_t fcgid = 131072;  // mod_fcgid's own limit
  const std::size_t mebi = 1 << 20;
  static const std::vector<ServerSetup> kSetups = {
      {"Apache mod_cgid", apache({.htaccess = "cgi.htaccess"})},
      {"Apache mod_cgi", apache({.htaccess = "cgi.htaccess", .prefork = true})},
      {"Apache mod_cgid, TLS", apache({.htaccess = "cgi.htaccess", .tls = true})},
      {"Apache mod_fcgid", apache({.htaccess = "fcgid.htaccess"}), fcgid, 500, false},
      {"Apache mod_fcgid, FcgidWrapper",
       apache({.htaccess = "fcgid.htaccess",
               .edits = {{"#FcgidWrapper", "FcgidWrapper"}},
               .program = ""}),
       fcgid, 500, false},
      {"Apache mod_fcgid, a host that takes more",
       site_of<ApacheSite>(std::string("fcgid.htaccess"))},
      {"Apache mod_proxy_fcgi", site_of<ApacheProxySite>()},
      {"nginx, spawn-fcgi", site_of<DeployedNginx>(Starter::kSpawnFcgi), mebi, 413, false},
      {"nginx, multiwatch", site_of<DeployedNginx>(Starter::kMultiwatch), mebi, 413, false},
      {"nginx, systemd's socket", site_of<DeployedNginx>(Starter::kSystemd), mebi, 413, false},
      {"nginx, TLS", site_of<DeployedNginx>(Starter::kSpawnFcgi, true), mebi, 413, false},
      {"lighttpd mod_fastcgi", site_of<Lighttpd>("sealpost-fastcgi.conf"), mebi, 413, false},
      {"lighttpd mod_cgi", site_of<Lighttpd>("sealpost-cgi.conf"), mebi, 413, false},
  };
  return kSetups;
}

}  // namespace sealpost::test
