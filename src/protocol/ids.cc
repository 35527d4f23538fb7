#include "protocol/ids.h"

#include <algorithm>

namespace sealpost {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_byte(char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; }

}  // namespace

bool is_name_field(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax &&
         std::all_of(text.begin(), text.end(), is_name_byte);
}

bool is_name(std::string_view text) {
  return is_name_field(text) && is_letter_or_digit(text.front());
}

bool is_topic(std::string_view text) {
  return !text.empty() && text.size() <= kTopicMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_name_byte(c) || c == '/'; });
}

bool is_reserved_topic(std::string_view topic) { return topic.starts_with("sealpost/"); }

}  // namespace sealpost
