// FastCGI on the listening socket that is file descriptor 0: a few loops over one epoll set.
#pragma once

#include "gateway/settings.h"

namespace sealpost {

// Whether file descriptor 0 is a listening socket, as FastCGI programs get it.
[[nodiscard]] bool is_fastcgi();

// Serves until SIGTERM, SIGINT or SIGUSR1, or until the program file is replaced.  Then it finishes
// the requests it has begun, within 3 s, and returns.  Throws Fault if it cannot start.
void serve_fastcgi(const SettingTexts& arguments, int threads);

}  // namespace sealpost
