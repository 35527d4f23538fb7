// The database's schema: numbered scripts from sql/, embedded when sealpost is built.
#pragma once

#include <string_view>
#include <vector>

namespace sealpost {

// "Seal" in ASCII: PRAGMA application_id of every sealpost database.
constexpr int kApplicationId = 0x5365616c;

// The scripts in order; script n (from 1) takes a database from user_version n - 1 to n.
[[nodiscard]] const std::vector<std::string_view>& migrations();

}  // namespace sealpost
