#include "cmd/sealpost/output.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <iostream>

#include "base/result.h"

namespace sealpost::output {

List::List(bool as_json, std::vector<std::string> columns) : as_json_(as_json) {
  rows_.push_back(std::move(columns));
}

List::~List() {
  if (as_json_ || std::uncaught_exceptions() > 0) return;
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line.append(row[i]).append(i + 1 < row.size() ? widths[i] - row[i].size() + 2 : 0, ' ');
    }
    std::cout << line << '\n';
  }
}

void List::add(const Json& object, std::vector<std::string> cells) {
  if (as_json_) {
    print_line(object);
  } else {
    rows_.push_back(std::move(cells));
  }
}

void print_line(const Json& object) {
  std::cout << object.dump(-1, ' ', true, Json::error_handler_t::replace) << std::endl;
  require_printed();
}

void print_body(ByteView body) {
  if (isatty(STDOUT_FILENO) == 0) {
    std::cout << text_of(body) << std::flush;
    return;
  }
  // Invisible and right-to-left characters can deceive a reader as control sequences can, so only
  // ASCII text is printed as it is.
  for (const std::uint8_t byte : body) {
    const bool plain = (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t';
    if (plain) {
      std::cout << static_cast<char>(byte);
    } else {
      std::array<char, 8> shown{};
      std::snprintf(shown.data(), shown.size(), "\\x%02x", byte);
      std::cout << shown.data();
    }
  }
  std::cout << std::endl;
}

void print_secret(const crypto::SecretText& text) {
  const bool printed = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                       std::fputc('\n', stdout) != EOF && std::fflush(stdout) == 0;
  if (!printed) {
    throw Fault(
        "The credential could not be printed. Run `sealpost client renew` to issue another.");
  }
}

std::string count_of(std::int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void require_printed() {
  if (!std::cout.flush()) {
    throw Fault(
        "The output could not be written. Check that the disk is not full and the reader still "
        "runs.");
  }
}

}  // namespace sealpost::output
