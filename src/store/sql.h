// Binding and reading the types that the database holds.
#pragma once

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/id.h"
#include "base/time.h"

namespace sealpost {

inline void bind_value(SQLite::Statement& statement, int at, ByteView bytes) {
  // A null pointer would mean NULL, not an empty value.
  statement.bind(at, bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                 static_cast<int>(bytes.size()));
}
inline void bind_value(SQLite::Statement& statement, int at, const Bytes& bytes) {
  bind_value(statement, at, ByteView(bytes));
}
template <class Tag, std::size_t N>
void bind_value(SQLite::Statement& statement, int at, const Id<Tag, N>& id) {
  bind_value(statement, at, ByteView(id));
}
inline void bind_value(SQLite::Statement& statement, int at, const std::string& text) {
  statement.bind(at, text);
}
inline void bind_value(SQLite::Statement& statement, int at, std::nullptr_t) { statement.bind(at); }
// A number beyond SQLite's range is stored as the greatest that it has.
inline void bind_value(SQLite::Statement& statement, int at, std::uint64_t value) {
  constexpr std::uint64_t kMax = ~std::uint64_t{0} >> 1;
  statement.bind(at, static_cast<std::int64_t>(std::min(value, kMax)));
}
inline void bind_value(SQLite::Statement& statement, int at, Time time) {
  bind_value(statement, at, to_ms(time));
}
inline void bind_value(SQLite::Statement& statement, int at, std::int64_t value) {
  statement.bind(at, value);
}
inline void bind_value(SQLite::Statement& statement, int at, std::uint32_t value) {
  statement.bind(at, static_cast<std::int64_t>(value));
}
inline void bind_value(SQLite::Statement& statement, int at, int value) {
  statement.bind(at, value);
}

// A statement that is prepared when it is first used: a CGI process uses few of them.
class Prepared {
 public:
  // `handle` and `sql` must outlive it.
  Prepared(SQLite::Database& handle, const char* sql) : handle_(handle), sql_(sql) {}

  SQLite::Statement& operator*() {
    if (!statement_) statement_.emplace(handle_, sql_);
    return *statement_;
  }

 private:
  SQLite::Database& handle_;
  const char* sql_;
  std::optional<SQLite::Statement> statement_;
};

// One use of a statement.  The destructor resets the statement, so that it holds no lock and no
// row.
class Query {
 public:
  template <class... Values>
  explicit Query(SQLite::Statement& statement, const Values&... values) : statement_(statement) {
    int at = 0;
    (bind_value(statement_, ++at, values), ...);
  }
  template <class... Values>
  explicit Query(Prepared& statement, const Values&... values) : Query(*statement, values...) {}
  ~Query() {
    statement_.tryReset();
    statement_.clearBindings();
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Steps to the next row.  False if there is none.
  bool row() { return statement_.executeStep(); }
  // Runs a statement that returns no rows.  Returns how many rows it changed.
  int run() { return statement_.exec(); }

  [[nodiscard]] bool is_null(int column) const { return statement_.isColumnNull(column); }
  [[nodiscard]] std::int64_t number(int column) const {
    return statement_.getColumn(column).getInt64();
  }
  [[nodiscard]] std::string text(int column) const {
    return statement_.getColumn(column).getString();
  }
  // Valid until the next row().
  [[nodiscard]] ByteView blob(int column) const {
    const SQLite::Column value = statement_.getColumn(column);
    return {static_cast<const std::uint8_t*>(value.getBlob()),
            static_cast<std::size_t>(value.getBytes())};
  }
  template <class T>
  [[nodiscard]] T id(int column) const {
    Reader reader(blob(column));
    return reader.id<T>();
  }
  [[nodiscard]] Time time(int column) const {
    return time_from_ms(static_cast<std::uint64_t>(number(column)));
  }

 private:
  SQLite::Statement& statement_;
};

}  // namespace sealpost
