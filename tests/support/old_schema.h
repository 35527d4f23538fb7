// A database as the first sealpost left it.
#pragma once

#include <string>

#include "support/site.h"

namespace sealpost::test {

// Puts one in place of the home's, with all that is there: nothing may have it open.
void downgrade_database(const Site& site);

// Version, tables, indexes and views.
[[nodiscard]] std::string schema_of(const std::string& database);
// Of a new home.
[[nodiscard]] std::string newest_schema();

}  // namespace sealpost::test
