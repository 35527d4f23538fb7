// A home: the directory outside the document root in which a server keeps its keys and data.
//
//   keys/server_id     16 bytes, base64url
//   keys/KID.key       a master key, 32 bytes, base64url
//   keys/issued        the issuance log (store/issuance_log.h)
//   sealpost.db        the database, with SQLite's -wal and -shm beside it
//   gate               the write lock (store/write_lock.h)
//   url                where clients reach the gateway
//   routes             who may send what, and where it goes (delivery/routes.h); written by the
//   operator .htaccess          denies everything, in case the web server ever serves the directory
//
// The directories are 0700, the files 0600.
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

  // Makes what is missing: directory, keys, database.  Throws Fault, and writes nothing, if nothing
  // is missing, or if keys are lost to which a database or the issuance log belongs.
  void create(Time now) const;

  // Throws Fault if the home exists and is not a directory of the user this process runs as.
  void require_ours() const;

  // Throws Fault, with what to do, unless directory, keys and database exist and are closed to
  // other users.
  void require_private() const;

  // Both throw Fault if a file is missing or cannot be read; keyring() also if there is no key.
  [[nodiscard]] ServerId server_id() const;
  [[nodiscard]] Keyring keyring() const;

  struct KeyFile {
    Kid kid;
    Time made_at;
  };
  // In ascending order.  New credentials are issued under the last one.
  [[nodiscard]] std::vector<KeyFile> keys() const;
  [[nodiscard]] Kid newest_kid() const;
  // Makes a new master key and returns its kid: one above the key files, the issuance log and
  // `used`, the greatest kid in the database, so that a retired number is never used again.  Throws
  // Fault if all keys of an existing home are lost.
  Kid add_key(Kid used = 0) const;
  // Deletes a master key.  Throws Fault if it does not exist, or is the last.
  void remove_key(Kid kid) const;

  // Empty if no URL is set.
  [[nodiscard]] std::string url() const;
  void set_url(const std::string& url) const;

 private:
  [[nodiscard]] std::string key_path(Kid kid) const;
  void require_keys_not_lost() const;

  std::string root_;
};

}  // namespace sealpost
