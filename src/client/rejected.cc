#include "client/rejected.h"

#include <algorithm>
#include <filesystem>

#include "base/encoding.h"
#include "base/files.h"
#include "client/checked_file.h"
#include "client/outbox.h"
#include "client/outcome.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "sealpost client rejected 1\n";
constexpr std::string_view kWhy = ".why";

std::string name_with(const std::string& generation, ByteView nonce, std::uint64_t counter) {
  return generation + "-" + hex(nonce.first(4)) + "-" + std::to_string(counter);
}

std::string counter_in(const std::string& name) { return name.substr(name.rfind('-') + 1); }

// Reads the reason.  If it is missing or damaged, nobody knows whether the server acted.
void read_reason(const std::string& file, RejectedMessage& message) {
  message.unknown = true;
  message.status = "unknown";
  message.reason = "The reason is missing or damaged.";
  if (!fs::exists(file)) return;
  const auto content = read_checked_file(file, kMagic);
  if (!content) return;
  Reader reader(*content);
  message.unknown = reader.u8() != 0;
  message.status = text_of(reader.lp8());
  message.reason = text_of(reader.rest());
}

}  // namespace

std::string Rejected::name_of(Generation generation, const InstallNonce& nonce,
                              std::uint64_t counter) {
  return name_with(std::to_string(generation), nonce, counter);
}

std::string Rejected::path(const std::string& name) const {
  return directory_ + "/rejected/" + name;
}

void Rejected::write_reason(const std::string& name, const Outcome& outcome) const {
  make_private_folder(directory_ + "/rejected");
  const bool unknown = outcome.kind == Outcome::Kind::kUnknown;
  Writer content;
  content.u8(unknown ? 1 : 0).lp8(sealpost::name_of(outcome.status)).put(outcome.reason);
  write_private_file(path(name + std::string(kWhy)), with_checksum(kMagic, content.view()));
}

void Rejected::keep(const std::string& file, const std::string& name) const {
  rename_durably(file, path(name));
}

std::string Rejected::keep_unknown(const std::string& file, std::uint64_t counter) const {
  std::string name = name_with("lost", crypto::random_id<InstallNonce>(), counter);
  Outcome outcome = open_outcome(Outcome::Status::kTooOld,
                                 "The client's state was lost. It is unknown whether the server "
                                 "acted on the message.");
  outcome.kind = Outcome::Kind::kUnknown;
  write_reason(name, outcome);
  keep(file, name);
  return name;
}

std::vector<RejectedMessage> Rejected::list() const {
  std::vector<RejectedMessage> all;
  std::error_code none;
  for (const auto& file : fs::directory_iterator(directory_ + "/rejected", none)) {
    RejectedMessage message;
    message.name = file.path().filename().string();
    if (message.name.starts_with('.') || message.name.ends_with(kWhy)) continue;
    const std::optional<Message> content = read_message(file.path());
    message.topic = content ? content->topic : "";
    message.size = content ? content->body.size() : 0;
    message.damaged = !content;
    read_reason(path(message.name + std::string(kWhy)), message);
    all.push_back(std::move(message));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

RejectedMessage Rejected::find(const std::string& which) const {
  std::vector<RejectedMessage> found;
  for (RejectedMessage& message : list()) {
    if (message.name == which) return message;
    if (counter_in(message.name) == which) found.push_back(std::move(message));
  }
  if (found.size() == 1) return found.front();
  throw Fault((found.empty() ? "No rejected message is named "
                             : "Several rejected messages have the number ") +
              which + ". `sealpost-client rejected list` shows the names.");
}

void Rejected::take(const std::string& name, const std::string& file) const {
  rename_durably(path(name), file);
  fs::remove(path(name + std::string(kWhy)));
}

void Rejected::drop(const std::string& name) const {
  fs::remove(path(name));
  fs::remove(path(name + std::string(kWhy)));
}

void Rejected::remove_orphans() const {
  std::error_code none;
  for (const auto& file : fs::directory_iterator(directory_ + "/rejected", none)) {
    const std::string why = file.path().string();
    if (!why.ends_with(kWhy)) continue;
    if (!fs::exists(why.substr(0, why.size() - kWhy.size()))) fs::remove(why);
  }
}

}  // namespace sealpost
