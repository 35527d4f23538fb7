// What stands behind one set of settings while a process lives: the home's keys, its store and its
// log.
#pragma once

#include <memory>
#include <optional>

#include "base/file_watch.h"
#include "delivery/routes.h"
#include "gateway/log.h"
#include "gateway/settings.h"
#include "store/home.h"
#include "store/sqlite_store.h"

namespace sealpost {

class Resources {
 public:
  // Throws Fault if the home is not one, or open to others.
  explicit Resources(const Settings& settings);

  [[nodiscard]] Store& store() { return store_; }

  // Reads again what has changed of keys and routes.  Throws Fault if either cannot be used: the
  // routes with file, line and reason.
  void refresh();
  // As they were then.
  [[nodiscard]] const Keyring& keyring() const { return keyring_.value(); }
  [[nodiscard]] const Routes& routes() const { return *routes_; }

 private:
  Home home_;
  FileWatch keys_folder_{home_.keys_folder()};
  std::optional<Keyring> keyring_;
  RoutesFile routes_file_{home_.routes_file()};
  const Routes* routes_ = nullptr;
  SqliteStore store_;
};

}  // namespace sealpost
