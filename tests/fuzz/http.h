// A second reading of PROTOCOL 4: the answer that an unauthenticated HTTP request must get.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace sealpost::fuzz {

using Variables = std::map<std::string, std::string>;

// NAME=VALUE; of a name that comes twice the first counts, of a setting the first that is not
// empty. Without "=" it is no variable.
[[nodiscard]] Variables naive_variables(const std::vector<std::string>& lines);

// SEALPOST_X, REDIRECT_SEALPOST_X, SSL_SEALPOST_X: the first that is not empty.
[[nodiscard]] std::string naive_setting(const Variables& variables, const std::string& name);

struct Expected {
  int status;
  std::string body;
};
// For a home in which nobody has a session, and HOME and LOG said by the gateway's own arguments.
// `whole`: the body is the stream to its end (FastCGI); else as much of it as was announced (CGI).
[[nodiscard]] Expected naive_answer(const Variables& variables, std::string body, bool whole);

// Compares a whole CGI answer, byte by byte.
void check_answer(const std::string& answer, const Expected& expected);

}  // namespace sealpost::fuzz
