// FastCGI on the listening socket that is file descriptor 0: a few loops over one epoll set.
#pragma once

#include "gateway/settings.h"

namespace sealpost {

// Whether file descriptor 0 is a listening socket: that is how a FastCGI program is started.
[[nodiscard]] bool is_fastcgi();

// Serves until SIGTERM, SIGINT or SIGUSR1, or until another executable lies where this one was
// started from; then finishes the requests it has begun, within 3 s, and returns.  Throws Fault if
// it can't begin.
void serve_fastcgi(const SettingTexts& arguments, int threads);

}  // namespace sealpost
