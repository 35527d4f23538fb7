// CGI: one request a process, from the environment and standard input (RFC 3875).
#pragma once

#include "gateway/settings.h"

namespace sealpost {

// Answers the one request and leaves the database so that the next process starts fast.  The caller
// then ends the process.
void serve_cgi(const SettingTexts& arguments);

// Whether the command line came from the client: a web server passes a query without "=" to a CGI
// program as its arguments (RFC 3875, section 4.4).  Such arguments must not be trusted.
[[nodiscard]] bool arguments_are_the_clients();

}  // namespace sealpost
