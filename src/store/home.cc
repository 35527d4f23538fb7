#include "store/home.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/encoding.h"
#include "base/files.h"
#include "store/issuance_log.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDenyAll =
    "# Keys and messages: the web server must never serve anything in this directory.\n"
    "<IfModule mod_authz_core.c>\n"
    "  Require all denied\n"
    "</IfModule>\n"
    "<IfModule !mod_authz_core.c>\n"
    "  Deny from all\n"
    "</IfModule>\n";

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// From /etc/passwd itself: getpwuid loads libraries of the host, which a static program must not
// do.
std::string name_of_user(uid_t id) {
  const std::unique_ptr<std::FILE, CloseFile> users(std::fopen("/etc/passwd", "re"));
  while (const passwd* user = users ? fgetpwent(users.get()) : nullptr) {
    if (user->pw_uid == id) return user->pw_name;
  }
  return "'#" + std::to_string(id) + "'";  // as sudo -u takes it
}

// Why a path did not open: it is missing, or this user may not open it.
std::string absence_of(const std::string& path) {
  const std::string why = std::string(": ") + std::strerror(errno) + ". ";
  if (errno == ENOENT || errno == ENOTDIR) return path + " is missing" + why;
  return name_of_user(geteuid()) + " cannot open " + path + why;
}

// Reads base64url of exactly out.size() bytes and a newline, and leaves no copy in memory.
void read_secret(const std::string& path, std::span<std::uint8_t> out) {
  crypto::Secret<64> buffer;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    throw Fault(
        absence_of(path) +
        "SEALPOST_HOME must be a directory that `sealpost init` made, owned by the user that "
        "the gateway runs as.");
  }
  const ssize_t got = read(file, buffer.fill().data(), buffer.fill().size());
  close(file);
  std::string_view text =
      text_of(buffer.reveal()).substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (!decode_base64url(text, out)) {
    throw Fault(path + " does not hold base64url of " + std::to_string(out.size()) +
                " bytes. Restore it from a copy.");
  }
}

void require_closed(const std::string& path, const char* mode) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    throw Fault(absence_of(path) + "SEALPOST_HOME must be a directory that `sealpost init` made.");
  }
  if ((status.st_mode & 077) != 0) {
    throw Fault(path + " is open to other users. Run `chmod " + mode + " " + path + "`.");
  }
}

std::optional<Kid> kid_of(const fs::path& file) {
  const std::string stem = file.stem();
  unsigned kid = 0;
  const char* end = stem.data() + stem.size();
  const auto [rest, error] = std::from_chars(stem.data(), end, kid);
  const bool number = error == std::errc() && rest == end && kid >= 1 && kid <= 255;
  if (file.extension() != ".key" || !number) return std::nullopt;
  return static_cast<Kid>(kid);
}

Time changed_at(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  const auto nanoseconds = static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
  return Time(static_cast<std::uint64_t>(status.st_mtim.tv_sec) * kSecond) +
         Milliseconds(nanoseconds / 1'000'000);
}

}  // namespace

StorePaths Home::store_paths() const {
  return {root_ + "/sealpost.db", root_ + "/gate", keys_folder() + "/issued"};
}

void Home::require_ours() const {
  struct stat status {};
  if (stat(root_.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw Fault(absence_of(root_) + "Run this command as the user who made the home.");
  }
  if (!S_ISDIR(status.st_mode)) {
    throw Fault(root_ + " is a file, not a directory. Name a directory with --home.");
  }
  if (status.st_uid != geteuid()) {
    const std::string owner = name_of_user(status.st_uid);
    throw Fault(root_ + " belongs to " + owner + ". Run this command as that user: sudo -u " +
                owner + " sealpost ...");
  }
}

// A new server_id or master key in a home with existing clients would lock every client out.
void Home::require_keys_not_lost() const {
  const bool has_id = fs::exists(keys_folder() + "/server_id");
  if (has_id && keys().empty()) (void)newest_kid();
  if (has_id || (!fs::exists(store_paths().database) && !fs::exists(store_paths().issuance_log)))
    return;
  throw Fault(keys_folder() +
              "/server_id is lost, and clients have credentials under it. Restore the directory " +
              keys_folder() + " from a copy, or name a new home with --home.");
}

void Home::create(Time now) const {
  require_ours();
  require_keys_not_lost();
  const bool has_keys = fs::exists(keys_folder() + "/server_id");
  if (has_keys && fs::exists(store_paths().database)) {
    throw Fault(root_ + " is a home already. Use it, or name another directory with --home.");
  }
  make_private_folder(root_);
  require_closed(root_, "700");  // a directory that existed before may be open
  make_private_folder(keys_folder());
  if (!fs::exists(root_ + "/.htaccess")) {
    write_private_file(root_ + "/.htaccess", bytes_of(kDenyAll));
  }
  if (!has_keys) {
    if (keys().empty()) add_key();
    write_private_file(keys_folder() + "/server_id",
                       bytes_of(base64url(crypto::random_id<ServerId>()) + "\n"));
  }
  Database::create(store_paths(), server_id(), now);
  require_private();
}

void Home::require_private() const {
  require_closed(root_, "700");
  require_closed(keys_folder(), "700");
  require_closed(store_paths().database, "600");
  for (const KeyFile& key : keys()) require_closed(key_path(key.kid), "600");
}

ServerId Home::server_id() const {
  ServerId id;
  read_secret(keys_folder() + "/server_id", id.bytes);
  return id;
}

Keyring Home::keyring() const {
  Keyring ring(server_id());
  (void)newest_kid();  // throws if there is no key
  for (const KeyFile& file : keys()) {
    crypto::Key master;
    read_secret(key_path(file.kid), master.fill());
    ring.add(file.kid, master);
  }
  return ring;
}

std::vector<Home::KeyFile> Home::keys() const {
  std::vector<KeyFile> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(keys_folder(), error)) {
    if (const auto kid = kid_of(entry.path())) found.push_back({*kid, changed_at(entry.path())});
  }
  if (error) throw Fault("Cannot read " + keys_folder() + ": " + error.message() + ".");
  std::sort(found.begin(), found.end(),
            [](const KeyFile& a, const KeyFile& b) { return a.kid < b.kid; });
  return found;
}

Kid Home::newest_kid() const {
  const std::vector<KeyFile> all = keys();
  if (all.empty()) throw Fault(keys_folder() + " holds no master key. Restore it from a copy.");
  return all.back().kid;
}

Kid Home::add_key(Kid used) const {
  const bool first = keys().empty() && !fs::exists(keys_folder() + "/server_id");
  const Kid newest = first ? 0 : newest_kid();
  const int kid = std::max({used, newest, greatest_kid(store_paths().issuance_log)}) + 1;
  if (kid > 255) throw Fault("All 255 key numbers are used. Set up a new home.");
  const crypto::Key master = crypto::random_key();
  auto text = base64url<crypto::SecretText>(master.reveal());
  text.push_back('\n');
  write_private_file(key_path(static_cast<Kid>(kid)), bytes_of(text));
  return static_cast<Kid>(kid);
}

void Home::remove_key(Kid kid) const {
  const std::vector<KeyFile> all = keys();
  const bool there = std::any_of(all.begin(), all.end(), [&](auto& one) { return one.kid == kid; });
  if (!there) {
    throw Fault("There is no key " + std::to_string(kid) + ". `sealpost key list` lists all keys.");
  }
  if (all.size() == 1) {
    throw Fault("The last key cannot be retired. Run `sealpost key rotate` first.");
  }
  fs::remove(key_path(kid));
}

std::string Home::url() const {
  std::ifstream in(root_ + "/url");
  std::string line;
  std::getline(in, line);
  return line;
}

void Home::set_url(const std::string& url) const {
  write_private_file(root_ + "/url", bytes_of(url + "\n"));
}

std::string Home::key_path(Kid kid) const {
  return keys_folder() + "/" + std::to_string(kid) + ".key";
}

}  // namespace sealpost
