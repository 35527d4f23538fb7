// A home: the folder outside the document root in which a server keeps what is its own.
//
//   keys/server_id     16 bytes, base64url
//   keys/KID.key       a master key, 32 bytes, base64url
//   keys/issued        the file of issues (store/issue_file.h)
//   sealpost.db        the database, with SQLite's -wal and -shm beside it
//   gate               what writers queue at (store/gate.h)
//   url                where clients reach the gateway
//   routes             who may send what, and where it goes (delivery/routes.h); the operator's own
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

  // Makes what is missing of folder, keys and database.  Throws Fault if nothing is.
  void create(Time now) const;

  // Throws Fault, with the mend, unless folder, keys and database are there and closed to everybody
  // else.
  void require_private() const;

  // Throws Fault if there is none or a file cannot be read.
  [[nodiscard]] ServerId server_id() const;
  [[nodiscard]] Keyring keyring() const;

  struct KeyFile {
    Kid kid;
    Time made_at;
  };
  // In ascending order; the last is the one that new credentials are issued under.
  [[nodiscard]] std::vector<KeyFile> keys() const;
  [[nodiscard]] Kid newest_kid() const;
  // Makes a new master key and says its kid.
  Kid add_key() const;
  // Deletes a master key.  Throws Fault if it is not there, or the last.
  void remove_key(Kid kid) const;

  // When the set of keys last changed.
  [[nodiscard]] Time keys_changed_at() const;

  // Empty if it has not been said.
  [[nodiscard]] std::string url() const;
  void set_url(const std::string& url) const;

 private:
  [[nodiscard]] std::string key_path(Kid kid) const;

  std::string root_;
};

}  // namespace sealpost
