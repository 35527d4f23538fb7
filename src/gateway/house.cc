#include "gateway/house.h"

namespace sealpost {
namespace {

// A folder that changed this recently may change again without its time showing it.
constexpr Milliseconds kClockGrain = 1 * kSecond;

const Home& checked(const Home& home) {
  home.require_private();
  return home;
}

}  // namespace

House::House(const Settings& settings)
    : home_(settings.home), store_(checked(home_).store_paths(), home_.server_id()) {}

const Keyring& House::keyring() {
  if (!keyring_ || home_.keys_changed_at() + kClockGrain >= keys_read_at_) {
    const Time now = system_now();
    keyring_ = home_.keyring();
    keys_read_at_ = now;
  }
  return *keyring_;
}

}  // namespace sealpost
