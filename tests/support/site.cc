#include "support/site.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

namespace sealpost::test {
namespace {

std::size_t append(char* data, std::size_t, std::size_t size, void* to) {
  static_cast<std::string*>(to)->append(data, size);
  return size;
}

class Curl {
 public:
  Curl() : handle_(curl_easy_init()) {
    curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle_, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(handle_, CURLOPT_PROXY, "");
    curl_easy_setopt(handle_, CURLOPT_PATH_AS_IS, 1L);
    // A site with TLS signed its certificate itself.
    curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, append);
  }
  ~Curl() { curl_easy_cleanup(handle_); }
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;

  HttpReply perform(const std::string& url, const std::string& method,
                    const std::vector<std::string>& headers, const std::string& body) {
    HttpReply reply;
    curl_slist* list = curl_slist_append(nullptr, "Expect:");
    for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
    curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, method.c_str());
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &reply.body);
    curl_easy_setopt(handle_, CURLOPT_HEADERDATA, &reply.head);
    long status = 0;
    if (curl_easy_perform(handle_) == CURLE_OK) {
      curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    }
    reply.status = static_cast<int>(status);
    curl_slist_free_all(list);
    return reply;
  }

 private:
  CURL* handle_;
};

std::string type_of(const std::string& head) {
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Content-Type: "))
      return line.substr(14, line.find_first_of(";\r", 14) - 14);
  }
  return "";
}

}  // namespace

HttpReply http(const std::string& url, const std::string& method,
               const std::vector<std::string>& headers, const std::string& body) {
  return Curl().perform(url, method, headers, body);
}

bool answers(const std::string& url) { return http(url, "GET", {}, "").status != 0; }

Reply post_form(const std::string& url, const std::string& form) {
  thread_local Curl curl;
  const HttpReply reply = curl.perform(url, "POST", {}, form);
  return {reply.status, type_of(reply.head), reply.body};
}

Site::Site() : home(folder / "home") {
  umask(077);
  home.create(system_now());
}

void Site::set_url(const std::string& url) {
  url_ = url;
  home.set_url(url);
}

Wire Site::wire() const {
  return [url = url_](const std::string& form) { return post_form(url, form); };
}

std::string Site::script(const std::string& name, const std::string& text) const {
  std::string path = folder / name;
  write_text(path, "#!/bin/sh\n" + text);
  chmod(path.c_str(), 0700);
  return path;
}

std::string Site::ready_file(const std::string& path, const std::vector<Edit>& edits) const {
  std::string text = read_text(path);
  const Edit paths[] = {
      {"/home/YOU/sealpost-home", home.root()},
      {"/var/lib/sealpost", home.root()},
      {"/home/YOU/sealpost.log", folder / "log"},
      {"/var/log/lighttpd/sealpost.log", folder / "log"},
      {"/usr/local/lib/cgi-bin/sealpost.fcgi", program("sealpost.fcgi")},
      {"/home/YOU/bin/sealpost.fcgi", program("sealpost.fcgi")},
      {"/home/YOU/", folder.path() + "/"},
      {"/run/lighttpd/", folder.path() + "/"},
      {"/run/sealpost.", folder / "sealpost."},
  };
  for (const Edit& change : paths) {
    for (std::size_t at = 0; (at = text.find(change.from, at)) != std::string::npos;) {
      text.replace(at, change.from.size(), change.to);
      at += change.to.size();
    }
  }
  for (const Edit& edit : edits) {
    const std::size_t at = text.find(edit.from);
    if (at == std::string::npos) throw std::runtime_error(path + " has no line " + edit.from);
    text.replace(at, edit.from.size(), edit.to);
  }
  return text;
}

std::string Site::certificate() const {
  const std::string file = folder / "tls.pem";
  const RunResult made = run({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                              "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                              "-keyout", file + ".key", "-out", file + ".crt"});
  if (made.status != 0) throw std::runtime_error("openssl: " + made.err);
  write_text(file, read_text(file + ".key") + read_text(file + ".crt"));
  return file;
}

RunResult Site::operate(std::vector<std::string> words) const {
  words.insert(words.begin(), {program("sealpost"), "--home", home.root()});
  return run(words);
}

Peer Site::client(const std::string& name, const std::string& role,
                  const std::vector<std::string>& more) const {
  std::vector<std::string> words = {"client", "add", name, "--role", role};
  words.insert(words.end(), more.begin(), more.end());
  return {Credential::parse(operate(words).out), wire()};
}

std::string Site::credential(const std::string& name, const std::string& url) {
  home.set_url(url);
  std::string file = folder / (name + ".json");
  operate({"client", "add", name, "--role", "sensor", "--out", file});
  home.set_url(url_);
  return file;
}

std::vector<InboxRow> Site::inbox() const {
  Database database(home.store_paths(), home.server_id());
  std::vector<InboxRow> rows;
  Inbox(database).list({}, [&](const InboxRow& row) { rows.push_back(row); });
  return rows;
}

std::string Site::bodies() const {
  std::string all;
  for (const InboxRow& row : inbox()) all.append(text_of(row.body)).append("\n");
  return all;
}

std::string Site::last_line() const {
  std::string all = log();
  if (!all.empty()) all.pop_back();
  return all.substr(all.rfind('\n') + 1);
}

NginxSite::NginxSite(const NginxOptions& options) : options_(options) {
  const int port = free_port();
  const std::string params = [&] {
    std::string lines;
    for (const std::string& line : options.params) lines += line + "\n";
    return lines;
  }();
  write_text(
      folder / "nginx.conf",
      "daemon off; master_process off; pid " + (folder / "nginx.pid") + ";\n" + "error_log " +
          (folder / "nginx.log") + ";\nevents { worker_connections 512; }\n" +
          "http {\n access_log off;\n client_max_body_size 4m;\n" + " client_body_temp_path " +
          (folder / "b") + "; proxy_temp_path " + (folder / "p") + ";\n fastcgi_temp_path " +
          (folder / "f") + "; uwsgi_temp_path " + (folder / "u") + "; scgi_temp_path " +
          (folder / "s") + ";\n" + " upstream gateway { server unix:" + socket() + ";" +
          (options.keep ? " keepalive 64;" : "") + " }\n" +
          " server {\n  listen 127.0.0.1:" + std::to_string(port) + ";\n  location = /gate {\n" +
          "   fastcgi_pass gateway;\n" + (options.keep ? "   fastcgi_keep_conn on;\n" : "") +
          "   fastcgi_param REQUEST_METHOD $request_method;\n"
          "   fastcgi_param CONTENT_TYPE $content_type;\n"
          "   fastcgi_param CONTENT_LENGTH $content_length;\n"
          "   fastcgi_param SEALPOST_HOME " +
          home.root() + ";\n" + "   fastcgi_param SEALPOST_LOG " + (folder / "log") + ";\n" +
          params + "  }\n }\n}\n");
  set_url("http://127.0.0.1:" + std::to_string(port) + "/gate");
  start_gateways();
  nginx_.emplace(std::vector<std::string>{"/usr/sbin/nginx", "-c", folder / "nginx.conf"},
                 folder / "nginx.out");
  eventually("nginx answers", [&] { return answers(url()); });
}

NginxSite::~NginxSite() {
  if (listener_ >= 0) close(listener_);
}

void NginxSite::start_gateways() {
  if (options_.holds_socket) {
    if (listener_ < 0) listener_ = listen_on(socket());
    std::vector<std::string> command = {program(options_.gateway)};
    command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
    for (int i = 0; i < options_.processes; ++i) {
      gateways.emplace_back(command, folder / "gateway.out", std::map<std::string, std::string>{},
                            listener_);
    }
    return;
  }
  std::vector<std::string> words = {"/usr/bin/spawn-fcgi",
                                    "-s",
                                    socket(),
                                    "-M",
                                    "0600",
                                    "-F",
                                    std::to_string(options_.processes),
                                    "-P",
                                    folder / "pids",
                                    "--",
                                    program(options_.gateway)};
  words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
  if (run(words).status != 0) throw std::runtime_error("spawn-fcgi failed");
  std::istringstream ids(read_text(folder / "pids"));
  for (pid_t id = 0; ids >> id;) gateways.emplace_back(id);
}

void NginxSite::kill_gateways() {
  for (Process& one : gateways) one.signal(SIGKILL);
  for (Process& one : gateways) one.wait(std::chrono::seconds(5));
  gateways.clear();
}

}  // namespace sealpost::test
