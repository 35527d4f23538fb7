#include "client/outbox.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/encoding.h"
#include "base/files.h"

namespace sealpost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMessageMagic = "sealpost client message 1\n";

// Fixed width, so that names sort like numbers.
std::string padded(std::uint64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%020llu", static_cast<unsigned long long>(number));
  return text.data();
}

// Unique, and sorted by time.
std::string queued_name() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto order = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return padded(static_cast<std::uint64_t>(order)) + "-" +
         hex(ByteView(crypto::random_id<MessageId>()).first(4));
}

bool is_ping(std::string_view name) { return name.starts_with('p') || name.ends_with('p'); }

std::optional<std::uint64_t> counter_of(std::string_view name) {
  if (!name.starts_with('m')) return std::nullopt;
  std::uint64_t counter = 0;
  if (is_ping(name)) name.remove_suffix(1);
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + 1, end, counter);
  if (error != std::errc() || rest != end) return std::nullopt;
  return counter;
}

// The last line of credential.json.  The line before it is the credential as it was issued.
std::string checksum_line(ByteView text) {
  return "\nlength " + std::to_string(text.size()) + " sha256 " + hex(crypto::sha256({text})) +
         "\n";
}

// The credential in the bytes of credential.json.  Nothing if they are damaged.
std::optional<ByteView> credential_text(ByteView bytes) {
  const std::size_t end = text_of(bytes).rfind("\nlength ");
  if (end == std::string_view::npos) return std::nullopt;
  const ByteView text = bytes.first(end);
  if (text_of(bytes.subspan(end)) != checksum_line(text)) return std::nullopt;
  return text;
}

}  // namespace

Outbox::Outbox(std::string directory) : directory_(std::move(directory)) {
  std::error_code ignored;
  fs::create_directories(fs::path(directory_).parent_path(), ignored);
  make_private_folder(directory_);
  make_private_folder(path("open"));
}

Outbox::~Outbox() {
  if (lock_ >= 0) close(lock_);
}

bool Outbox::lock(Milliseconds timeout) {
  lock_ = open(path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) throw_errno(path("lock"), "opened");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout);
  while (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  remove_unfinished(directory_);
  remove_unfinished(path("open"));
  return true;
}

bool Outbox::is_installed() const {
  return fs::exists(path("state")) || fs::exists(path("credential.json"));
}

Credential Outbox::credential() const {
  if (!is_installed()) {
    throw Fault("No credential is installed in " + directory_ +
                ". Run `sealpost-client install CREDENTIAL`.");
  }
  std::optional<Credential> credential = stored_credential();
  if (!credential) {
    throw Fault(path("credential.json") +
                " is missing, damaged or not the credential that was installed there. Install it "
                "with `sealpost-client install FILE`. Open messages are kept.");
  }
  const std::optional<ClientState> state = readable_state();
  if (state && !state->belongs_to(*credential)) {
    throw Fault(path("credential.json") +
                " is not the credential that was installed there. Install it with "
                "`sealpost-client install FILE`.");
  }
  return std::move(*credential);
}

std::optional<Credential> Outbox::stored_credential() const {
  if (!fs::exists(path("credential.json"))) return std::nullopt;
  const std::optional<crypto::SecretBytes> bytes = read_if_readable(path("credential.json"));
  if (!bytes) return std::nullopt;
  const std::optional<ByteView> text = credential_text(*bytes);
  if (!text) return std::nullopt;
  return Credential::parse(text_of(*text));
}

ClientState Outbox::state() const {
  std::optional<ClientState> state = readable_state();
  if (!state) throw Fault(path("state") + " is missing or damaged. Run the command again.");
  return std::move(*state);
}

std::optional<ClientState> Outbox::readable_state() const {
  if (!fs::exists(path("state"))) return std::nullopt;
  const std::optional<crypto::SecretBytes> bytes = read_if_readable(path("state"));
  if (!bytes) return std::nullopt;
  Result<ClientState, StateError> state = ClientState::decode(*bytes);
  if (state) return std::move(*state);
  if (state.error() == StateError::kDamaged) return std::nullopt;
  throw Fault(path("state") +
              " is of another version. Install the version that wrote it, or move " + directory_ +
              " away and install the credential again.");
}

std::optional<ClientState> Outbox::former_state() const {
  std::optional<ClientState> state = readable_state();
  if (state) return state;
  const std::optional<Credential> credential = stored_credential();
  if (!credential) return std::nullopt;
  return ClientState::fresh(*credential);
}

void Outbox::save(const ClientState& state) const {
  write_private_file(path("state"), state.encode());
}

void Outbox::install(ByteView credential, const ClientState& state) const {
  // The state is written last: until then it belongs to another credential, so credential() throws.
  replace_credential(credential);
  save(state);
}

void Outbox::replace_credential(ByteView credential) const {
  crypto::SecretBytes bytes(credential.begin(), credential.end());
  const std::string line = checksum_line(credential);
  bytes.insert(bytes.end(), line.begin(), line.end());
  write_private_file(path("credential.json"), bytes);
}

std::vector<Outbox::Entry> Outbox::entries() const {
  std::vector<Entry> all;
  for (const auto& file : fs::directory_iterator(path("open"))) {
    const std::string name = file.path().filename().string();
    const auto counter = counter_of(name);
    if (counter || name.starts_with('q') || name.starts_with('p')) {
      all.push_back({name, counter, counter.has_value(), is_ping(name)});
    }
  }
  std::sort(all.begin(), all.end(),  // 'm' comes before 'p' and 'q'
            [](const Entry& a, const Entry& b) { return a.file < b.file; });
  return all;
}

std::optional<Message> read_message(const std::string& path) {
  const auto content = read_checked_file(path, kMessageMagic);
  if (!content) return std::nullopt;
  Reader reader(*content);
  Message message{};
  message.id = reader.id<MessageId>();
  message.topic = text_of(reader.lp8());
  const ByteView body = reader.rest();
  message.body.assign(body.begin(), body.end());
  if (!reader.expect_end() || !is_topic(message.topic)) return std::nullopt;
  return message;
}

std::optional<Message> Outbox::read(const Entry& entry) const {
  std::optional<Message> message = read_message(path("open/" + entry.file));
  if (message) message->counter = entry.counter.value_or(0);
  return message;
}

Outbox::Entry Outbox::store(std::string_view topic, std::string_view body) const {
  if (!is_topic(topic)) throw Fault("A topic is 1-128 characters of A-Z a-z 0-9 . _ - /.");
  const bool ping = topic == kPingTopic;
  const std::string name = (ping ? "p" : "q") + queued_name();
  const auto id = crypto::random_id<MessageId>();
  const Bytes content = Writer().put(id).lp8(topic).put(body).take();
  write_private_file(path("open/" + name), with_checksum(kMessageMagic, content));
  return {name, std::nullopt, false, ping};
}

Outbox::Entry Outbox::assign_counter(const Entry& entry, std::uint64_t counter) const {
  const std::string name = "m" + padded(counter) + (entry.is_ping ? "p" : "");
  rename_durably(path("open/" + entry.file), path("open/" + name));
  return {name, counter, false, entry.is_ping};
}

std::string Outbox::keep_aside(const Entry& entry, const ClientState& state,
                               const Outcome& outcome) const {
  const std::string name =
      Rejected::name_of(state.generation, state.install_nonce, entry.counter.value());
  rejected().write_reason(name, outcome);
  save(state);
  rejected().keep(path("open/" + entry.file), name);
  return name;
}

Outbox::Entry Outbox::put_back(const std::string& name) const {
  const std::string file = "q" + queued_name();
  rejected().take(name, path("open/" + file));
  return {file, std::nullopt, false, false};
}

void Outbox::remove(const Entry& entry) const { fs::remove(path("open/" + entry.file)); }

}  // namespace sealpost
