#include "admin/temporary_client.h"

#include <unistd.h>

#include <algorithm>

#include "admin/issue_credential.h"
#include "base/files.h"

namespace sealpost {
namespace {

constexpr const char* kName = "sealpost-doctor";

// Whether the client exists, perhaps because an earlier process was killed.
bool exists(Database& database) {
  const std::vector<ClientRow> rows = Clients(database).list();
  return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.name == kName; });
}

// Each use opens a connection of its own: see process_with_database_open().
Database open_database(const Home& home) {
  home.require_private();
  return {home.store_paths(), home.server_id()};
}

}  // namespace

TemporaryClient::TemporaryClient(const Home& home, std::function<void(const std::string&)> report)
    : home_(home), report_(std::move(report)), file_(home.root() + "/doctor.credential") {}

TemporaryClient::~TemporaryClient() {
  if (!issued_) return;
  try {
    unlink(file_.c_str());
    Database database = open_database(home_);
    if (exists(database)) Clients(database).remove(kName, system_now());
  } catch (const std::exception& error) {
    report_(std::string("Cannot revoke the client ") + kName + ": " + error.what() +
            " Run `sealpost client remove " + kName + "`.");
  }
}

void TemporaryClient::issue(const std::string& url, Time now) {
  Database database = open_database(home_);
  const IssueKind kind = exists(database) ? IssueKind::kRenewal : IssueKind::kNewClient;
  issued_ = true;  // whatever fails from here on, the destructor removes the client
  const Credential credential = issue_credential(
      home_, database, kName, kind, *Claims::of({{"role", "doctor"}}), Milliseconds(0), url, now);
  const crypto::SecretText text = credential.json();
  write_private_file(file_, bytes_of(std::string_view(text.data(), text.size())));
}

}  // namespace sealpost
