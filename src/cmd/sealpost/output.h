// How the operator's tool prints: tables for people, one JSON object a line for machines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace sealpost::output {

using Json = nlohmann::ordered_json;

// A list that is printed in one of the two forms, each row as soon as it is added (JSON) or all at
// the end (people: the columns want to know their width).  One that a Fault cuts off prints no
// more.
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

// In ASCII, so that nothing in a text can end the line or drive a terminal.
void print_line(const Json& object);

// A body as it is; to a terminal, all but ASCII text is shown as \xNN, so that a client cannot
// drive it, or lie in it.
void print_body(ByteView body);

// A credential, to stdout, and a newline.  Throws Fault if it could not be written.
void print_secret(const crypto::SecretText& text);

// Throws Fault if not all that was printed has gone out.
void require_printed();

}  // namespace sealpost::output
