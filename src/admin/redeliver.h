// Messages that were left with a handler when a process ended, taken up without a web server: for
// the operator's tool, and so for cron.
#pragma once

#include <functional>

#include "gateway/log.h"
#include "gateway/settings.h"

namespace sealpost {

// Hands over, one after the other, every message whose lease has ended, and calls `each` with what
// came of it: outcome, name, topic, number, and why it failed.  Throws Fault if the settings name
// no home or the database is in trouble.
void redeliver(const SettingTexts& texts, const std::function<void(const LogEntry&)>& each);

}  // namespace sealpost
