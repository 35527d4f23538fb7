// A database with sealpost's first schema.
#pragma once

#include <string>

#include "support/site.h"

namespace sealpost::test {

// Converts the home's database, with its content.  No process may have it open.
void downgrade_database(const Site& site);

// Version, tables, indexes and views.
[[nodiscard]] std::string schema_of(const std::string& database);
// The schema of a new home.
[[nodiscard]] std::string newest_schema();

}  // namespace sealpost::test
