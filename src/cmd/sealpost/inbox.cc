#include "store/inbox.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "admin/redeliver.h"
#include "admin/usage_error.h"
#include "base/encoding.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"

namespace sealpost {
namespace {

using output::Json;

constexpr auto kFollowInterval = std::chrono::milliseconds(200);

bool is_utf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

// Null if they cannot be read.
Json claims_of(const InboxRow& row) {
  Json claims = Json::parse(row.claims, nullptr, false);
  return claims.is_object() ? claims : Json();
}

Json json_of(const InboxRow& row) {
  Json json = {{"number", row.number},
               {"name", row.name},
               {"topic", row.topic},
               {"claims", claims_of(row)},
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
                    json["claims"].is_null() ? "-" : json["claims"].value("role", "-"), row.topic,
                    std::to_string(row.body.size()), row.state,
                    row.attempt == 0 ? "-" : std::to_string(row.attempt)});
  });
}

// Prints messages as they arrive, until the process is interrupted.
[[noreturn]] void follow(Inbox& inbox, InboxFilter filter, bool as_json) {
  if (filter.after == 0) filter.after = inbox.last();
  for (;;) {
    inbox.list(filter, [&](const InboxRow& row) {
      filter.after = row.number;
      if (as_json) return output::print_line(json_of(row));
      std::cout << row.number << "  " << iso_time(row.received_at) << "  " << row.name << "  "
                << row.topic << "  " << row.body.size() << std::endl;
    });
    std::this_thread::sleep_for(kFollowInterval);
  }
}

// Delivers the messages that wait for their handler, and prints the outcome of each.
void deliver(const CommandContext& context) {
  SettingTexts texts = copy_of(find_settings({}, environ, environ));
  texts[kHome] = context.open_home().root();
  if (texts[kLog].empty()) texts[kLog] = "/dev/null";  // the outcomes are printed here
  bool all_delivered = true;
  redeliver(texts, [&](const Redelivery& one) {
    all_delivered = all_delivered && one.delivered;
    std::cout << one.number << "  " << one.name << "  " << one.topic << "  " << one.outcome
              << (one.detail.empty() ? "" : ": " + one.detail) << std::endl;
  });
  if (!all_delivered) {
    throw Fault(
        "Some messages were not delivered. Run `sealpost inbox retry N` to deliver one again.");
  }
}

void retry(const CommandContext& context, std::int64_t number) {
  {
    Database database = context.open_database();
    const InboxRow row = Inbox(database).reopen(number, system_now());
    std::cout << "Message " << number << " goes to its handler again, as attempt "
              << row.attempt + 1 << ". If the handler acted before, it may act a second time."
              << std::endl;
  }
  deliver(context);
}

void mark_done(const CommandContext& context, std::int64_t number) {
  Database database = context.open_database();
  Inbox(database).mark_done(number);
  std::cout << "Message " << number
            << " is marked as done. Its handler does not get it again: if the handler had not "
               "acted, it never will.\n";
}

void prune(const CommandContext& context, const std::string& older) {
  const auto age = parse_duration(older);
  if (!age) throw UsageError("--older " + older + " is not a duration such as 30d or 24h.");
  Database database = context.open_database();
  const Time now = system_now();
  const Inbox::Pruned pruned = Inbox(database).prune(before(now, *age));
  std::cout << output::count_of(pruned.deleted + pruned.emptied, "message") << " pruned; "
            << output::count_of(pruned.emptied, "replay record") << " kept.\n";
}

void add_lists(CLI::App& inbox, CommandContext& context) {
  auto filter = std::make_shared<InboxFilter>();
  const auto filtered = [&](CLI::App* command) {
    command->add_option("--after", filter->after, "only messages with a number above N")
        ->type_name("N");
    command->add_option("--topic", filter->topic, "only messages of this topic")->type_name("T");
    command->add_option("--name", filter->name, "only messages of this client")->type_name("C");
    return command;
  };
  filtered(add_list(inbox, context, "list", "list messages, oldest first",
                    [&context, filter] {
                      Database database = context.open_database();
                      Inbox rows(database);
                      print_list(rows, *filter, context.json);
                    }))
      ->add_option("--limit", filter->limit, "at most N messages")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  filtered(add_list(inbox, context, "follow",
                    "print messages as they arrive; start after --after N", [&context, filter] {
                      Database database = context.open_database();
                      Inbox rows(database);
                      follow(rows, *filter, context.json);
                    }));
}

}  // namespace

void add_inbox(CLI::App& app, CommandContext& context) {
  CLI::App& inbox = *app.add_subcommand("inbox", "accepted messages")->fallthrough();
  inbox.require_subcommand(1);
  add_lists(inbox, context);

  auto number = std::make_shared<std::int64_t>(0);
  add_list(inbox, context, "show", "show one message with its body",
           [&context, number] {
             Database database = context.open_database();
             show(Inbox(database).find(*number), context.json);
           })
      ->add_option("N", *number, "the message's number")
      ->required();
  add_command(inbox, context, "deliver",
              "deliver messages whose handler was interrupted; run it from cron",
              [&context] { deliver(context); });
  add_command(inbox, context, "retry", "run the handler of a failed or suspended message again",
              [&context, number] { retry(context, *number); })
      ->add_option("N", *number, "the message's number")
      ->required();
  add_command(inbox, context, "done", "mark a suspended message as handled",
              [&context, number] { mark_done(context, *number); })
      ->add_option("N", *number, "the message's number")
      ->required();

  auto older = std::make_shared<std::string>();
  add_command(inbox, context, "prune", "delete old messages; keep the records that detect replays",
              [&context, older] { prune(context, *older); })
      ->add_option("--older", *older, "only messages older than this: 30d, 24h; 0 for all")
      ->type_name("TIME")
      ->required();
}

}  // namespace sealpost
