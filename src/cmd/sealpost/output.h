// The output of the operator's tool: tables for people, one JSON object per line for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace sealpost::output {

using Json = nlohmann::ordered_json;

// Prints rows as JSON, each when it is added, or as a table, in the destructor: the widths of the
// columns depend on all rows.  If an exception ends the list, the table is not printed.
class List {
 public:
  List(bool as_json, std::vector<std::string> columns);
  ~List();
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  void add(const Json& object, std::vector<std::string> cells);

 private:
  bool as_json_;
  std::vector<std::vector<std::string>> rows_;
};

// Prints a JSON object in ASCII, so that no text in it can end the line or control a terminal.
void print_line(const Json& object);

// Prints a body unchanged.  On a terminal everything but ASCII text is printed as \xNN, so that a
// client can neither control the terminal nor deceive its reader.
void print_body(ByteView body);

// Prints a credential and a newline to stdout.  Throws Fault if it could not be written.
void print_secret(const crypto::SecretText& text);

// "1 session", "2 sessions".
[[nodiscard]] std::string count_of(std::int64_t count, const std::string& noun);

// Flushes stdout.  Throws Fault if not all output could be written.
void require_printed();

}  // namespace sealpost::output
