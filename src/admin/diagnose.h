// Finds what is wrong with an installation, and says how to fix it.
#pragma once

#include <string>
#include <vector>

#include "base/check_result.h"
#include "base/time.h"
#include "store/home.h"

namespace sealpost {

// Checks the home: its owner, location and modes; keys and issuance log; disk space; the database's
// settings and integrity; the clock against the newest message; the clients against keys and
// issuance log.  Reports every error as a result and never throws.
[[nodiscard]] std::vector<CheckResult> examine(const Home& home, Time now);

// Checks whether a web server can run the gateway's program, and whether suEXEC would run it.
[[nodiscard]] std::vector<CheckResult> examine_program(const std::string& file);

// Tells whether the gateway runs as CGI or FastCGI.  Call it just after a message has arrived; it
// waits up to 2 s for a CGI process to end.  Empty if the database's journal mode cannot tell.  No
// connection of this process to the database may be open.
[[nodiscard]] std::vector<CheckResult> examine_gateway_process(const Home& home);

// The URL paths of the home's file `url` if a directory above the home were the document root.
[[nodiscard]] std::vector<std::string> paths_if_served(const std::string& root);

}  // namespace sealpost
