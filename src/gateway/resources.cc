#include "gateway/resources.h"

namespace sealpost {
namespace {

const Home& checked(const Home& home) {
  home.require_private();
  return home;
}

}  // namespace

Resources::Resources(const Settings& settings)
    : home_(settings.home), store_(checked(home_).store_paths(), home_.server_id()) {}

void Resources::refresh() {
  if (keys_folder_.has_changed()) keyring_.reset();
  if (!keyring_) keyring_ = home_.keyring();
  routes_ = &routes_file_.current();
}

}  // namespace sealpost
