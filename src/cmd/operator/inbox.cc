#include "store/inbox.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "base/encoding.h"
#include "cmd/operator/commands.h"
#include "cmd/operator/words.h"
#include "gateway/unsettled.h"

namespace sealpost {
namespace {

using words::Json;

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
  if (as_json) return words::print_line(json);
  for (const auto& [key, value] : json.items()) {
    if (key.starts_with("body")) continue;
    std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump())
              << '\n';
  }
  std::cout << '\n';
  words::print_body(row.body);
}

void print_list(Inbox& inbox, const InboxFilter& filter, bool as_json) {
  words::List list(as_json,
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
      if (as_json) return words::print_line(json_of(row));
      std::cout << row.number << "  " << iso_time(row.received_at) << "  " << row.name << "  "
                << row.topic << "  " << row.body.size() << std::endl;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

// Hands over what waits for it; says of each what came of it.
void deliver(const Office& office) {
  SettingTexts texts = find_settings({}, environ, environ);
  texts[kHome] = office.open_home().root();
  if (texts[kLog].empty()) texts[kLog] = "/dev/null";  // what it would say is printed here
  bool failed = false;
  deliver_unsettled(texts, [&](const JournalEntry& entry) {
    failed = failed || entry.outcome != "accepted";
    std::cout << entry.number << "  " << entry.name << "  " << entry.topic << "  " << entry.outcome
              << (entry.detail.empty() ? "" : ": " + entry.detail) << std::endl;
  });
  if (failed)
    throw Fault("not every message was delivered; `sealpost inbox retry N` tries one again");
}

void add_handing_over(CLI::App& inbox, Office& office,
                      const std::shared_ptr<std::int64_t>& number) {
  add_command(inbox, office, "deliver", "hand over messages whose handler was cut short; for cron",
              [&office] { deliver(office); });
  add_command(inbox, office, "retry", "give a message whose handler failed to it again",
              [&office, number] {
                {
                  Database database = office.open_database();
                  Inbox(database).reopen(*number, system_now());
                }
                deliver(office);
              })
      ->add_option("N", *number, "its number")
      ->required();
}

void add_prune(CLI::App& inbox, Office& office) {
  auto older = std::make_shared<std::string>();
  add_command(
      inbox, office, "prune", "forget old messages; what guards against replays stays",
      [&office, older] {
        const auto age = parse_duration(*older);
        if (!age) {
          throw CLI::ValidationError("--older " + *older + " is no time such as 30d or 24h");
        }
        Database database = office.open_database();
        const Time now = system_now();
        const Inbox::Pruned pruned = Inbox(database).prune(now - std::min(now, *age));
        std::cout << pruned.deleted << " message(s) deleted, " << pruned.emptied << " emptied\n";
      })
      ->add_option("--older", *older, "than this: 30d, 24h; 0 for all")
      ->type_name("TIME")
      ->required();
}

}  // namespace

void add_inbox(CLI::App& app, Office& office) {
  CLI::App& inbox = *app.add_subcommand("inbox", "messages that were accepted")->fallthrough();
  inbox.require_subcommand(1);
  auto filter = std::make_shared<InboxFilter>();
  const auto filtered = [&](CLI::App* command) {
    command->add_option("--after", filter->after, "only numbers above N")->type_name("N");
    command->add_option("--topic", filter->topic, "only this topic")->type_name("T");
    command->add_option("--name", filter->name, "only this client's")->type_name("C");
    return command;
  };
  filtered(add_list(inbox, office, "list", "messages, oldest first",
                    [&office, filter] {
                      Database database = office.open_database();
                      Inbox of(database);
                      print_list(of, *filter, office.json);
                    }))
      ->add_option("--limit", filter->limit, "at most N")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  filtered(add_list(inbox, office, "follow", "messages as they come; --after N begins behind N",
                    [&office, filter] {
                      Database database = office.open_database();
                      Inbox of(database);
                      follow(of, *filter, office.json);
                    }));

  auto number = std::make_shared<std::int64_t>(0);
  add_list(inbox, office, "show", "one message and its body",
           [&office, number] {
             Database database = office.open_database();
             show(Inbox(database).find(*number), office.json);
           })
      ->add_option("N", *number, "its number")
      ->required();

  add_handing_over(inbox, office, number);
  add_prune(inbox, office);
}

void add_stats(CLI::App& app, Office& office) {
  add_list(app, office, "stats", "accepted and refused, by day, client and reason", [&office] {
    Database database = office.open_database();
    words::List list(office.json, {"DAY", "NAME", "OUTCOME", "COUNT"});
    for (const StatsRow& row : Inbox(database).stats()) {
      list.add(
          {{"day", row.day}, {"name", row.name}, {"outcome", row.outcome}, {"count", row.count}},
          {row.day, row.name.empty() ? "(stranger)" : row.name, row.outcome,
           std::to_string(row.count)});
    }
  });
}

}  // namespace sealpost
