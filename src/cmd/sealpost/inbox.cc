#include "store/inbox.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "admin/redeliver.h"
#include "base/encoding.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"

namespace sealpost {
namespace {

using output::Json;

bool is_utf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Json json_of(const InboxRow& row) {
  Json json = {{"number", row.number},
               {"name", row.name},
               {"topic", row.topic},
               {"claims", Json::parse(row.claims)},
               {"received_at", iso_time(row.received_at)},
               {"sent_at", iso_time(row.sent_at)},
               {"generation", row.generation},
               {"installation", base64url(row.install_nonce)},
               {"counter", row.counter},
               {"message_id", base64url(row.message_id)},
               {"digest", base64url(row.digest)},
               {"state", row.state},
               {"attempt", row.attempt}};
  const std::string body(text_of(row.body));
  if (is_utf8(body)) {
    json["body"] = body;
  } else {
    json["body_base64url"] = base64url(row.body);
  }
  return json;
}

void show(const InboxRow& row, bool as_json) {
  const Json json = json_of(row);
  if (as_json) return output::print_line(json);
  for (const auto& [key, value] : json.items()) {
    if (key.starts_with("body")) continue;
    std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump())
              << '\n';
  }
  std::cout << '\n';
  output::print_body(row.body);
}

void print_list(Inbox& inbox, const InboxFilter& filter, bool as_json) {
  output::List list(as_json,
                    {"NUMBER", "RECEIVED", "NAME", "ROLE", "TOPIC", "BYTES", "STATE", "ATTEMPT"});
  inbox.list(filter, [&](const InboxRow& row) {
    const Json json = json_of(row);
    list.add(json, {std::to_string(row.number), iso_time(row.received_at), row.name,
                    json["claims"]["role"], row.topic, std::to_string(row.body.size()), row.state,
                    row.attempt == 0 ? "-" : std::to_string(row.attempt)});
  });
}

// Prints messages as they come, until it is interrupted.
[[noreturn]] void follow(Inbox& inbox, InboxFilter filter, bool as_json) {
  if (filter.after == 0) filter.after = inbox.last();
  for (;;) {
    inbox.list(filter, [&](const InboxRow& row) {
      filter.after = row.number;
      if (as_json) return output::print_line(json_of(row));
      std::cout << row.number << "  " << iso_time(row.received_at) << "  " << row.name << "  "
                << row.topic << "  " << row.body.size() << std::endl;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

// Hands over what waits for it; says of each what came of it.
void deliver(const CommandContext& context) {
  SettingTexts texts = find_settings({}, environ, environ);
  texts[kHome] = context.open_home().root();
  if (texts[kLog].empty()) texts[kLog] = "/dev/null";  // what it would say is printed here
  bool failed = false;
  redeliver(texts, [&](const LogEntry& entry) {
    failed = failed || entry.outcome != LogOutcome::kAccepted;
    std::cout << entry.number << "  " << entry.name << "  " << entry.topic << "  "
              << text_of(entry.outcome) << (entry.detail.empty() ? "" : ": " + entry.detail)
              << std::endl;
  });
  if (failed)
    throw Fault("not every message was delivered; `sealpost inbox retry N` tries one again");
}

void add_handing_over(CLI::App& inbox, CommandContext& context,
                      const std::shared_ptr<std::int64_t>& number) {
  add_command(inbox, context, "deliver", "hand over messages whose handler was cut short; for cron",
              [&context] { deliver(context); });
  add_command(inbox, context, "retry", "give a message whose handler failed to it again",
              [&context, number] {
                {
                  Database database = context.open_database();
                  Inbox(database).reopen(*number, system_now());
                }
                deliver(context);
              })
      ->add_option("N", *number, "its number")
      ->required();
}

void add_prune(CLI::App& inbox, CommandContext& context) {
  auto older = std::make_shared<std::string>();
  add_command(
      inbox, context, "prune", "forget old messages; what guards against replays stays",
      [&context, older] {
        const auto age = parse_duration(*older);
        if (!age) {
          throw CLI::ValidationError("--older " + *older + " is no time such as 30d or 24h");
        }
        Database database = context.open_database();
        const Time now = system_now();
        const Inbox::Pruned pruned = Inbox(database).prune(before(now, *age));
        std::cout << pruned.deleted << " message(s) deleted, " << pruned.emptied << " emptied\n";
      })
      ->add_option("--older", *older, "than this: 30d, 24h; 0 for all")
      ->type_name("TIME")
      ->required();
}

}  // namespace

void add_inbox(CLI::App& app, CommandContext& context) {
  CLI::App& inbox = *app.add_subcommand("inbox", "messages that were accepted")->fallthrough();
  inbox.require_subcommand(1);
  auto filter = std::make_shared<InboxFilter>();
  const auto filtered = [&](CLI::App* command) {
    command->add_option("--after", filter->after, "only numbers above N")->type_name("N");
    command->add_option("--topic", filter->topic, "only this topic")->type_name("T");
    command->add_option("--name", filter->name, "only this client's")->type_name("C");
    return command;
  };
  filtered(add_list(inbox, context, "list", "messages, oldest first",
                    [&context, filter] {
                      Database database = context.open_database();
                      Inbox of(database);
                      print_list(of, *filter, context.json);
                    }))
      ->add_option("--limit", filter->limit, "at most N")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  filtered(add_list(inbox, context, "follow", "messages as they come; --after N begins behind N",
                    [&context, filter] {
                      Database database = context.open_database();
                      Inbox of(database);
                      follow(of, *filter, context.json);
                    }));

  auto number = std::make_shared<std::int64_t>(0);
  add_list(inbox, context, "show", "one message and its body",
           [&context, number] {
             Database database = context.open_database();
             show(Inbox(database).find(*number), context.json);
           })
      ->add_option("N", *number, "its number")
      ->required();

  add_handing_over(inbox, context, number);
  add_prune(inbox, context);
}

void add_stats(CLI::App& app, CommandContext& context) {
  add_list(app, context, "stats", "accepted and refused, by day, client and reason", [&context] {
    Database database = context.open_database();
    output::List list(context.json, {"DAY", "NAME", "OUTCOME", "COUNT"});
    for (const StatsRow& row : Inbox(database).stats()) {
      list.add(
          {{"day", row.day}, {"name", row.name}, {"outcome", row.outcome}, {"count", row.count}},
          {row.day, row.name.empty() ? "(stranger)" : row.name, row.outcome,
           std::to_string(row.count)});
    }
  });
}

}  // namespace sealpost
