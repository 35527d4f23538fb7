// What serves one set of settings while a process lives: the home's keys, routes and store.
#pragma once

#include <optional>

#include "base/file_watch.h"
#include "delivery/routes.h"
#include "gateway/settings.h"
#include "store/home.h"
#include "store/sqlite_store.h"

namespace sealpost {

// Settings, keys and routes as they are for one batch.  Valid until the next refresh().
struct Snapshot {
  const Settings& settings;
  const Keyring& keyring;
  const Routes& routes;
  Store& store;
};

class Resources {
 public:
  // Throws Fault if the home does not exist, lacks its keys, or is open to other users.
  explicit Resources(Settings settings);

  [[nodiscard]] Store& store() { return store_; }

  // Reads keys and routes again if their files have changed.  Throws Fault if keys or routes cannot
  // be used; for routes it names file, line and reason.
  [[nodiscard]] Snapshot refresh();

 private:
  Settings settings_;
  Home home_;
  FileWatch keys_folder_{home_.keys_folder()};
  std::optional<Keyring> keyring_;
  RoutesFile routes_file_{home_.routes_file()};
  SqliteStore store_;
};

}  // namespace sealpost
