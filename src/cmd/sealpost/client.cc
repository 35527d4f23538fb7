#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <iostream>

#include "admin/issue_credential.h"
#include "admin/usage_error.h"
#include "base/signals.h"
#include "cmd/sealpost/commands.h"
#include "cmd/sealpost/output.h"
#include "store/clients.h"

namespace sealpost {
namespace {

using output::Json;

// The arguments of `client add` and `client renew`.
struct IssueOptions {
  std::string name;
  ClaimsRequest claims;
  std::string grace;
  std::string out;
};

Milliseconds grace_of(const IssueOptions& options) {
  if (options.grace.empty()) return kGrace;
  const auto grace = parse_duration(options.grace);
  if (!grace) throw UsageError("--grace " + options.grace + " is not a duration such as 7d or 0.");
  return *grace;
}

// A file for a secret.  The constructor creates it, before anything is issued; the destructor
// deletes it if nothing was written.  Without a path the secret is printed.
class SecretFile {
 public:
  explicit SecretFile(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) {
      throw Fault("Cannot create " + path_ + ": " + std::strerror(errno) + ". Name a new file.");
    }
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
    if (!written_) {
      throw Fault("Cannot write " + path_ + ": " + std::strerror(errno) +
                  ". Run `sealpost client renew` to issue another credential.");
    }
  }

 private:
  std::string path_;
  int file_ = -1;
  bool written_ = false;
};

void issue(const CommandContext& context, const IssueOptions& options, IssueKind kind) {
  require_client_name(options.name);
  const Milliseconds grace = grace_of(options);
  const Home home = context.open_home();
  Database database = context.open_database();
  const Time now = system_now();
  Claims claims = claims_to_issue(database, options.name, kind, options.claims, now);
  SecretFile out(options.out);
  {
    const SignalsBlocked blocked;  // a credential that is recorded is also printed
    out.write(issue_credential(home, database, options.name, kind, std::move(claims), grace,
                               home.url(), now)
                  .json());
  }
  if (kind == IssueKind::kRenewal) {
    std::cerr << "sealpost: note: " << describe_renewal(Clients(database).find(options.name), now)
              << '\n';
  }
  if (home.url().empty()) {
    std::cerr << "sealpost: note: The credential contains no URL. Run `sealpost init --url URL` to "
                 "set one for new credentials.\n";
  }
}

void add_issue_options(CLI::App* command, IssueOptions& options) {
  command->add_option("NAME", options.name, "the client's name")->required();
  command->add_option("--claim", options.claims.claims, "any other claim; can be repeated")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--expires", options.claims.expires,
                   "how long the credential is valid: 90d, 24h")
      ->type_name("TIME");
  command->add_option("--out", options.out, "write the credential to a new file, mode 0600")
      ->type_name("FILE");
}

Json json_of(const ClientRow& row, std::string_view standing) {
  Json json = {{"name", row.name},
               {"standing", standing},
               {"generation", row.generation},
               {"kid", row.kid},
               {"claims", Json::parse(row.claims)},
               {"issued_at", iso_time(row.issued_at)}};
  if (row.revoked_at) json["revoked_at"] = iso_time(*row.revoked_at);
  if (const auto former = valid_former(row, system_now())) {
    json["former"] = {{"generation", former->generation},
                      {"kid", former->kid},
                      {"until", iso_time(former->until)}};
  }
  if (row.last_message_at) json["last_message_at"] = iso_time(*row.last_message_at);
  return json;
}

std::string note_on_former(const ClientRow& row) {
  const auto former = valid_former(row, system_now());
  if (!former) return "";
  return "still speaks under its former credential, which ends on " + iso_time(former->until);
}

void print(const CommandContext& context, const std::vector<ClientRow>& rows) {
  const std::vector<Home::KeyFile> keys = context.open_home().keys();
  output::List list(context.json,
                    {"NAME", "STANDING", "GENERATION", "KID", "LAST MESSAGE", "CLAIMS", "NOTE"});
  for (const ClientRow& row : rows) {
    const std::string standing(name_of(standing_of(row, keys, system_now())));
    list.add(json_of(row, standing),
             {row.name, standing, std::to_string(row.generation), std::to_string(row.kid),
              row.last_message_at ? iso_time(*row.last_message_at) : "-", row.claims,
              note_on_former(row)});
  }
}

}  // namespace

void add_client(CLI::App& app, CommandContext& context) {
  CLI::App& client = *app.add_subcommand("client", "clients and their credentials")->fallthrough();
  client.require_subcommand(1);
  auto options = std::make_shared<IssueOptions>();

  CLI::App* add =
      add_command(client, context, "add", "add a client and issue its credential",
                  [&context, options] { issue(context, *options, IssueKind::kNewClient); });
  add_issue_options(add, *options);
  add->add_option("--role", options->claims.role, "the client's role")->required();

  CLI::App* renew = add_command(
      client, context, "renew", "issue a new credential; its first message ends the former one",
      [&context, options] { issue(context, *options, IssueKind::kRenewal); });
  add_issue_options(renew, *options);
  renew->add_option("--role", options->claims.role,
                    "another role; claims that are not named stay the same");
  renew
      ->add_option(
          "--grace", options->grace,
          "how long the former credential stays valid at most: 7d unless given; 0 revokes it")
      ->type_name("TIME");

  add_list(client, context, "list", "list all clients", [&context] {
    Database database = context.open_database();
    print(context, Clients(database).list());
  });
  const auto named = [&](CLI::App* command) {
    command->add_option("NAME", options->name, "the client's name")->required();
  };
  named(add_list(client, context, "show", "show one client", [&context, options] {
    Database database = context.open_database();
    print(context, {Clients(database).find(options->name)});
  }));
  named(add_command(client, context, "revoke", "revoke all credentials of a client",
                    [&context, options] {
                      Database database = context.open_database();
                      Clients(database).revoke(options->name, system_now());
                    }));
  named(add_command(client, context, "remove", "revoke a client and delete it from the list",
                    [&context, options] {
                      Database database = context.open_database();
                      Clients(database).remove(options->name, system_now());
                    }));
}

}  // namespace sealpost
