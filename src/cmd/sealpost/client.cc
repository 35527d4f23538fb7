#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <optional>

#include "base/encoding.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "protocol/credential.h"
#include "store/clients.h"

namespace sealpost {
namespace {

using output::Json;

// What `client add` and `client renew` are told.
struct Order {
  std::string name;
  std::optional<std::string> role;
  std::vector<std::string> claims;
  std::string expires;
  std::string out;
};

// The claims that --claim names.
Claims::Map named_claims(const std::vector<std::string>& claims) {
  Claims::Map named;
  for (const std::string& claim : claims) {
    const std::size_t equals = claim.find('=');
    if (equals == std::string::npos) {
      throw CLI::ValidationError("--claim " + claim + " is not KEY=VALUE");
    }
    const std::string key = claim.substr(0, equals);
    if (key == "role") throw CLI::ValidationError("the role is given with --role");
    if (!named.emplace(key, claim.substr(equals + 1)).second) {
      throw CLI::ValidationError("--claim " + key + " is given twice: say one value");
    }
  }
  return named;
}

// A credential that could never be used is a slip of the operator's.
void require_usable(const Claims& claims, Time now) {
  const auto begin = claims.values().find("not_before");
  const auto end = claims.end();
  if (end && *end <= now) {
    throw CLI::ValidationError("not_after " + iso_time(*end) + " has passed: say a time to come");
  }
  if (end && begin != claims.values().end() && Time(std::stoull(begin->second) * kSecond) >= *end) {
    throw CLI::ValidationError(
        "not_before is not earlier than not_after: such a credential would never be valid");
  }
}

// The claims to issue: those of `before`, without their times, then what the order says.
Claims claims_of(const Order& order, Claims::Map before, Time now) {
  before.erase("not_before");
  before.erase("not_after");
  if (order.role) before["role"] = *order.role;
  for (auto& [key, value] : named_claims(order.claims)) before[key] = value;
  if (!order.expires.empty()) {
    if (before.contains("not_after")) {
      throw CLI::ValidationError("give --expires or --claim not_after, not both");
    }
    const auto life = parse_duration(order.expires);
    if (!life || *life == Milliseconds{0}) {
      throw CLI::ValidationError("--expires " + order.expires + " is no time such as 90d or 24h");
    }
    before["not_after"] = std::to_string((now + *life).time_since_epoch() / kSecond);
  }
  Result<Claims, ClaimsError> claims = Claims::of(std::move(before));
  if (!claims) {
    throw CLI::ValidationError("these claims cannot be issued: " +
                               std::string(sentence_of(claims.error())));
  }
  require_usable(*claims, now);
  return std::move(*claims);
}

// A file for a secret, made before anything is issued, and gone again if it stays empty.
class SecretFile {
 public:
  explicit SecretFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0)
      throw Fault(path_ + " cannot be made (" + std::strerror(errno) + "): name a new file");
  }
  ~SecretFile() {
    if (file_ < 0) return;
    close(file_);
    if (!written_) unlink(path_.c_str());
  }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;

  void write(const crypto::SecretText& text) {
    if (path_.empty()) return output::print_secret(text);
    written_ = ::write(file_, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
               ::write(file_, "\n", 1) == 1 && fsync(file_) == 0;
    if (!written_)
      throw Fault(path_ + " could not be written: `sealpost client renew` issues another");
  }

 private:
  std::string path_;
  int file_ = -1;
  bool written_ = false;
};

void issue(const CommandContext& context, const Order& order, bool renewal) {
  if (!is_name(order.name)) {
    throw CLI::ValidationError(
        "a client's name is 1-64 of A-Z a-z 0-9 . _ -, the first a letter or digit");
  }
  const Home home = context.open_home();
  Database database = context.open_database();
  Clients book(database);
  const Time now = system_now();
  Claims::Map before;
  if (renewal) before = Json::parse(book.find(order.name).claims).get<Claims::Map>();
  Claims claims = claims_of(order, std::move(before), now);

  SecretFile out(order.out);
  const Keyring keyring = home.keyring();
  const Kid kid = home.newest_kid();
  const Generation generation =
      renewal ? book.renew(order.name, kid, claims, now) : book.add(order.name, kid, claims, now);
  out.write(Credential::issue(keyring, kid, order.name, generation, std::move(claims), home.url())
                .json());
  if (home.url().empty()) {
    std::cerr << "sealpost: note: the credential names no URL; `sealpost init --url URL` sets one "
                 "for those "
                 "to come\n";
  }
}

void add_order(CLI::App* command, Order& order) {
  command->add_option("NAME", order.name, "the client's name")->required();
  command->add_option("--claim", order.claims, "any other claim; may be given again")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  command->add_option("--expires", order.expires, "when it ends, from now: 90d, 24h")
      ->type_name("TIME");
  command->add_option("--out", order.out, "write the credential to a new file, 0600")
      ->type_name("FILE");
}

std::string standing_of(const ClientRow& row, Time now) {
  if (row.revoked_at) return "revoked";
  const Result<Claims, ClaimsError> claims = Claims::of(Json::parse(row.claims).get<Claims::Map>());
  if (!claims || claims->valid_at(now)) return "valid";
  const auto end = claims->end();
  return end && *end <= now ? "expired" : "not yet";
}

Json json_of(const ClientRow& row, const std::string& standing) {
  Json json = {{"name", row.name},
               {"standing", standing},
               {"generation", row.generation},
               {"kid", row.kid},
               {"claims", Json::parse(row.claims)},
               {"issued_at", iso_time(row.issued_at)}};
  if (row.revoked_at) json["revoked_at"] = iso_time(*row.revoked_at);
  if (row.last_message_at) json["last_message_at"] = iso_time(*row.last_message_at);
  return json;
}

void print(bool as_json, const std::vector<ClientRow>& rows) {
  output::List list(as_json, {"NAME", "STANDING", "GENERATION", "KID", "LAST MESSAGE", "CLAIMS"});
  for (const ClientRow& row : rows) {
    const std::string standing = standing_of(row, system_now());
    list.add(json_of(row, standing),
             {row.name, standing, std::to_string(row.generation), std::to_string(row.kid),
              row.last_message_at ? iso_time(*row.last_message_at) : "-", row.claims});
  }
}

// Ends the sessions of one client, or of all.
void end_sessions(const CommandContext& context, const std::string& name, bool all) {
  if (name.empty() == !all) throw CLI::ValidationError("name a client, or say --all");
  Database database = context.open_database();
  Clients book(database);
  if (!all) (void)book.find(name);  // a slip of the pen would end nothing, and say so too softly
  const int ended = all ? book.end_sessions({}) : book.end_sessions(name);
  std::cout << ended << " session(s) ended\n";
}

}  // namespace

void add_client(CLI::App& app, CommandContext& context) {
  CLI::App& client = *app.add_subcommand("client", "who may speak")->fallthrough();
  client.require_subcommand(1);
  auto order = std::make_shared<Order>();

  CLI::App* add = add_command(client, context, "add", "issue a new client its credential",
                              [&context, order] { issue(context, *order, false); });
  add_order(add, *order);
  add->add_option("--role", order->role, "what the client is")->required();

  CLI::App* renew =
      add_command(client, context, "renew", "issue the next generation; the one before is revoked",
                  [&context, order] { issue(context, *order, true); });
  add_order(renew, *order);
  renew->add_option("--role", order->role, "another role; claims not named stay as they were");

  add_list(client, context, "list", "all clients", [&context] {
    Database database = context.open_database();
    print(context.json, Clients(database).list());
  });
  const auto named = [&](CLI::App* command) {
    command->add_option("NAME", order->name)->required();
  };
  named(add_list(client, context, "show", "one client", [&context, order] {
    Database database = context.open_database();
    print(context.json, {Clients(database).find(order->name)});
  }));
  named(add_command(client, context, "revoke", "take no credential of a client any more",
                    [&context, order] {
                      Database database = context.open_database();
                      Clients(database).revoke(order->name, system_now());
                    }));
  named(add_command(client, context, "remove", "revoke, and take the client off the book",
                    [&context, order] {
                      Database database = context.open_database();
                      Clients(database).remove(order->name, system_now());
                    }));
}

void add_session(CLI::App& app, CommandContext& context) {
  CLI::App& session = *app.add_subcommand("session", "who is connected")->fallthrough();
  session.require_subcommand(1);
  add_list(session, context, "list", "live sessions", [&context] {
    Database database = context.open_database();
    output::List list(context.json, {"SESSION", "NAME", "STATE", "KID", "SINCE", "UNTIL"});
    for (const SessionRow& row : Clients(database).sessions(system_now())) {
      const std::string state = row.active ? "active" : "pending";
      list.add({{"session_id", base64url(row.id)},
                {"name", row.name},
                {"state", state},
                {"kid", row.kid},
                {"since", iso_time(row.begun_at)},
                {"until", iso_time(row.live_until)}},
               {base64url(row.id), row.name, state, std::to_string(row.kid), iso_time(row.begun_at),
                iso_time(row.live_until)});
    }
  });
  auto name = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  CLI::App* end =
      add_command(session, context, "end", "end a client's sessions; it starts a new one by itself",
                  [&context, name, all] { end_sessions(context, *name, *all); });
  end->add_option("NAME", *name, "the client");
  end->add_flag("--all", *all, "the sessions of all clients");
}

}  // namespace sealpost
