// Delivers messages whose handler was interrupted, without a web server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gateway/settings.h"

namespace sealpost {

// The result of one delivery.
struct Redelivery {
  bool delivered = false;
  std::string outcome;  // as in the log: "accepted", "failed", ...
  std::string name;     // the client's
  std::string topic;
  std::int64_t number = 0;  // the message's
  std::string detail;       // why it failed, or empty
};

// Gives every message whose lease has expired to its handler, one after the other, and calls `each`
// with the result.  Throws Fault if the settings name no home or the database cannot be used.
void redeliver(const SettingTexts& texts, const std::function<void(const Redelivery&)>& each);

}  // namespace sealpost
