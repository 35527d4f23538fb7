#include "cmd/program.h"

#include <iostream>
#include <vector>

namespace sealpost {

int run_program_main(const char* name, int argc, char** argv, int (*run)(int, char**)) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 1;
  }
}

int report_usage_error(const char* name, const std::string& message) {
  std::cerr << name << ": " << message << "\nRun `" << name << " --help` for help.\n";
  return 2;
}

int report_usage_error(const char* name, const CLI::App& app, const CLI::ParseError& error) {
  // CLI11 reports an unknown command as a missing one, without its name.
  const std::vector<std::string> words = app.remaining(true);
  const bool unknown = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !words.empty();
  return report_usage_error(
      name, unknown ? "There is no command or option " + words.front() + "." : error.what());
}

}  // namespace sealpost
