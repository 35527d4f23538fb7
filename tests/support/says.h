// Whether a text, or the message of an exception, contains a word.
#pragma once

#include <exception>
#include <string>

namespace sealpost::test {

inline bool says(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}
inline bool says(const std::exception& error, const std::string& word) {
  return says(std::string(error.what()), word);
}

}  // namespace sealpost::test
