#include "support/old_schema.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include "store/schema.h"

namespace sealpost::test {
namespace {

std::string value_of(SQLite::Database& handle, const std::string& query) {
  return handle.execAndGet(query).getString();
}

}  // namespace

void downgrade_database(const Site& site) {
  namespace fs = std::filesystem;
  const std::string path = site.home.store_paths().database;
  {
    SQLite::Database first(path + ".first", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    first.exec("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF");
    first.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    first.exec(std::string(migrations().front()));
    first.exec("PRAGMA user_version = 1; ATTACH '" + path + "' AS now");
    for (const std::string table :
         {"server", "client", "installation", "session", "handshake", "message", "tally"}) {
      const std::string columns = value_of(
          first, "SELECT group_concat(name) FROM pragma_table_info('" + table + "', 'main')");
      const std::string source =
          table == "session" ? "now.session JOIN now.session_key ON session_key.id = session.keys"
                             : "now." + table;
      first.exec("INSERT INTO main." + table + " (" + columns + ") SELECT " + columns + " FROM " +
                 source);
    }
  }
  for (const char* part : {"-wal", "-shm"}) fs::remove(path + part);
  for (const char* part : {"", "-wal", "-shm"}) {
    if (fs::exists(path + ".first" + part)) fs::rename(path + ".first" + part, path + part);
  }
}

std::string schema_of(const std::string& database) {
  SQLite::Database handle(database, SQLite::OPEN_READONLY);
  std::string all = "version " + value_of(handle, "PRAGMA user_version") + "\n";
  SQLite::Statement rows(handle, "SELECT sql FROM sqlite_schema WHERE sql <> '' ORDER BY 1");
  while (rows.executeStep()) all.append(rows.getColumn(0).getString()).append("\n");
  return all;
}

std::string newest_schema() {
  const TempDir folder;
  const Home fresh(folder / "fresh");
  fresh.create(system_now());
  return schema_of(fresh.store_paths().database);
}

}  // namespace sealpost::test
