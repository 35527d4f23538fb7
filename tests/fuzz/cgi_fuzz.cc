// The whole CGI transport: an environment and a standard input that the fuzzer makes up, against a
// second reading of RFC 3875 and PROTOCOL 4 that says what the answer must be.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "fuzz/fuzz.h"
#include "fuzz/http.h"
#include "server/cgi.h"
#include "store/home.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

using fuzz::require;

// Its home and log are the gateway's own arguments: no variable can choose another.
const SettingTexts& arguments() {
  static const test::TempDir folder;
  static const SettingTexts texts = [] {
    umask(077);
    Home(folder / "home").create(system_now());
    SettingTexts made;
    made[kHome] = folder / "home";
    made[kLog] = "/dev/null";
    return made;
  }();
  return texts;
}

class Redirected {  // a file descriptor, to a file in memory
 public:
  Redirected(int which, std::string_view content) : which_(which), kept_(dup(which)) {
    file_ = memfd_create("fuzz", 0);
    require(file_ >= 0 && write(file_, content.data(), content.size()) >= 0, "a file in memory");
    lseek(file_, 0, SEEK_SET);
    dup2(file_, which);
  }
  ~Redirected() {
    dup2(kept_, which_);
    close(kept_);
    close(file_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

  [[nodiscard]] std::string content() const {
    std::string text(static_cast<std::size_t>(lseek(file_, 0, SEEK_END)), '\0');
    require(pread(file_, text.data(), text.size(), 0) >= 0, "a file in memory");
    return text;
  }

 private:
  int which_;
  int kept_;
  int file_;
};

std::string answer_to(const std::vector<std::string>& lines, std::string_view body) {
  std::vector<const char*> variables;
  for (const std::string& line : lines) variables.push_back(line.c_str());
  variables.push_back(nullptr);
  const Redirected in(STDIN_FILENO, body);
  const Redirected out(STDOUT_FILENO, "");
  char** const ours = environ;
  environ = const_cast<char**>(variables.data());
  serve_cgi(arguments());
  environ = ours;
  return out.content();
}

// The first place that says something, by name.
void check_settings(const std::vector<std::string>& lines, const fuzz::Variables& variables) {
  std::vector<const char*> pointers;
  for (const std::string& line : lines) pointers.push_back(line.c_str());
  pointers.push_back(nullptr);
  const SettingViews found = find_settings({}, pointers.data(), pointers.data());
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(found.at(i) == fuzz::naive_setting(variables, std::string(kSettingNames.at(i))),
            "settings come from their names alone, in order");
  }
}

}  // namespace
}  // namespace sealpost

// NAME=VALUE lines, an empty one, the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  (void)arguments();
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find("\n\n");
  const std::string head = input.substr(0, end);
  const std::string body = end == std::string::npos ? "" : input.substr(end + 2);
  std::vector<std::string> lines(1);
  for (const char c : head) {
    if (c == '\n') {
      lines.emplace_back();
    } else if (c != '\0') {
      lines.back() += c;
    }
  }
  const fuzz::Variables variables = fuzz::naive_variables(lines);
  check_settings(lines, variables);
  const fuzz::Expected expected = fuzz::naive_answer(variables, body, false);
  fuzz::check_answer(answer_to(lines, body), expected);
  return 0;
}
