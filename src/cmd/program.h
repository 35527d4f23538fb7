// What the three programs share: the body of main() and the report of a usage error.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace sealpost {

// Calls `run` and returns its exit status.  Prints an exception to stderr as "NAME: MESSAGE" and
// returns 1.
int run_program_main(const char* name, int argc, char** argv, int (*run)(int, char**));

// Prints what is wrong with the command line to stderr.  Returns 2, the exit status.
int report_usage_error(const char* name, const std::string& message);
// The same for an error of CLI11.
int report_usage_error(const char* name, const CLI::App& app, const CLI::ParseError& error);

}  // namespace sealpost
