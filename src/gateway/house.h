// What stands behind one set of settings while a process lives: the home's keys, its store and its
// log.
#pragma once

#include <memory>
#include <optional>

#include "base/watch.h"
#include "gateway/home.h"
#include "gateway/journal.h"
#include "gateway/settings.h"
#include "store/sqlite_store.h"

namespace sealpost {

class House {
 public:
  // Throws Fault if the home is not one, or open to others.
  explicit House(const Settings& settings);

  [[nodiscard]] Store& store() { return store_; }

  // The master keys as they are now: read again when a key has come or gone.  Throws Fault.
  [[nodiscard]] const Keyring& keyring();
  // The routes as they are now.  Throws Fault, with file, line and reason, if a line cannot be
  // read.
  [[nodiscard]] const Routes& routes() { return routes_.current(); }

 private:
  Home home_;
  Watch keys_folder_{home_.keys_folder()};
  std::optional<Keyring> keyring_;
  RoutesFile routes_{home_.routes_file()};
  SqliteStore store_;
};

}  // namespace sealpost
