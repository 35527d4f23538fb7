// Makes a request's head from CGI variables.  CGI and FastCGI share it.
#pragma once

#include "gateway/request.h"
#include "gateway/settings.h"

namespace sealpost {

// Method, media type, encoding and announced length; no body yet.
[[nodiscard]] Request request_from(Variables variables);

}  // namespace sealpost
