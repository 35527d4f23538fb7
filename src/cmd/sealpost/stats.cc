#include <CLI/CLI.hpp>

#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "store/inbox.h"

namespace sealpost {
namespace {

void print(const CommandContext& context) {
  Database database = context.open_database();
  output::List list(context.json, {"DAY", "NAME", "OUTCOME", "COUNT"});
  for (const StatsRow& row : Inbox(database).stats()) {
    list.add({{"day", row.day}, {"name", row.name}, {"outcome", row.outcome}, {"count", row.count}},
             {row.day, row.name.empty() ? "(unauthenticated)" : row.name, row.outcome,
              std::to_string(row.count)});
  }
}

}  // namespace

void add_stats(CLI::App& app, CommandContext& context) {
  add_list(app, context, "stats", "count accepted and rejected messages by day, client and reason",
           [&context] { print(context); })
      ->footer("Rejections appear after the next accepted message.");
}

}  // namespace sealpost
