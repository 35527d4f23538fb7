#include "gateway/resources.h"

namespace sealpost {
namespace {

const Home& checked(const Home& home) {
  home.require_private();
  return home;
}

}  // namespace

Resources::Resources(Settings settings)
    : settings_(std::move(settings)),
      home_(settings_.home),
      store_(checked(home_).store_paths(), home_.server_id()) {}

Snapshot Resources::refresh() {
  if (keys_folder_.has_changed()) keyring_.reset();
  if (!keyring_) keyring_ = home_.keyring();
  return {settings_, *keyring_, routes_file_.current(), store_};
}

}  // namespace sealpost
