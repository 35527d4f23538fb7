// A home: the folder outside the document root in which a server keeps what is its own.
//
//   keys/server_id     16 bytes, base64url
//   keys/KID.key       a master key, 32 bytes, base64url
//   keys/issued        the file of issues (store/issuance_log.h)
//   sealpost.db        the database, with SQLite's -wal and -shm beside it
//   gate               what writers queue at (store/write_lock.h)
//   url                where clients reach the gateway
//   routes             who may send what, and where it goes (delivery/routes.h); the operator's own
//   .htaccess          denies all of it, should the folder ever come to be served
//
// The folders are 0700, the files 0600.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "protocol/keyring.h"
#include "store/database.h"

namespace sealpost {

class Home {
 public:
  explicit Home(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string keys_folder() const { return root_ + "/keys"; }
  [[nodiscard]] StorePaths store_paths() const;
  [[nodiscard]] std::string routes_file() const { return root_ + "/routes"; }

  // Makes what is missing of folder, keys and database.  Throws Fault, and writes nothing, if
  // nothing is, or if keys are gone that a database or the file of issues speaks of.
  void create(Time now) const;

  // Throws Fault unless the home, if there is one, is a folder of the user this process runs as.
  void require_ours() const;

  // Throws Fault, with the mend, unless folder, keys and database are there and closed to everybody
  // else.
  void require_private() const;

  // Throws Fault if there is none, or no key, or a file cannot be read.
  [[nodiscard]] ServerId server_id() const;
  [[nodiscard]] Keyring keyring() const;

  struct KeyFile {
    Kid kid;
    Time made_at;
  };
  // In ascending order; the last is the one that new credentials are issued under.
  [[nodiscard]] std::vector<KeyFile> keys() const;
  [[nodiscard]] Kid newest_kid() const;
  // Makes a new master key and says its kid: one above the key files, the file of issues and
  // `used`, the greatest that the database knows, so that a retired number never comes back. Throws
  // Fault where every key there was is gone.
  Kid add_key(Kid used = 0) const;
  // Deletes a master key.  Throws Fault if it is not there, or the last.
  void remove_key(Kid kid) const;

  // Empty if it has not been said.
  [[nodiscard]] std::string url() const;
  void set_url(const std::string& url) const;

 private:
  [[nodiscard]] std::string key_path(Kid kid) const;
  void require_keys_not_lost() const;

  std::string root_;
};

}  // namespace sealpost
