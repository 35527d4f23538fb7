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

// Fixed width, so that names sort like numbers.
std::string padded(std::uint64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%020llu", static_cast<unsigned long long>(number));
  return text.data();
}

std::optional<std::uint64_t> counter_of(std::string_view name) {
  if (!name.starts_with('m')) return std::nullopt;
  std::uint64_t counter = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + 1, end, counter);
  if (error != std::errc() || rest != end) return std::nullopt;
  return counter;
}

}  // namespace

crypto::SecretBytes read_secret_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) throw_errno(path, "read");
  crypto::SecretBytes bytes(static_cast<std::size_t>(status.st_size));
  const ssize_t got = ::read(file, bytes.data(), bytes.size());
  close(file);
  if (got != static_cast<ssize_t>(bytes.size())) throw_errno(path, "read whole");
  return bytes;
}

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

bool Outbox::is_installed() const { return fs::exists(path("state")); }

Credential Outbox::credential() const {
  if (!is_installed()) {
    throw Fault("No credential is installed in " + directory_ +
                ". Run `sealpost-client install CREDENTIAL`.");
  }
  Credential credential = stored_credential();
  if (!state().belongs_to(credential)) {
    throw Fault(path("credential.json") +
                " is not the credential that was installed there. Install it with "
                "`sealpost-client install FILE`.");
  }
  return credential;
}

Credential Outbox::stored_credential() const {
  const crypto::SecretBytes text = read_secret_file(path("credential.json"));
  return Credential::parse(text_of(text));
}

ClientState Outbox::state() const {
  Result<ClientState, StateError> state = ClientState::decode(read_secret_file(path("state")));
  if (!state) {
    throw Fault(path("state") + " is " + std::string(text_of(state.error())) + ". Move " +
                directory_ + " away and install the credential again.");
  }
  return std::move(*state);
}

std::optional<ClientState> Outbox::former_state() const {
  if (is_installed()) return state();
  if (!fs::exists(path("credential.json"))) return std::nullopt;
  return ClientState::fresh(stored_credential());
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
  write_private_file(path("credential.json"), credential);
}

std::vector<Outbox::Entry> Outbox::entries() const {
  std::vector<Entry> all;
  for (const auto& file : fs::directory_iterator(path("open"))) {
    const std::string name = file.path().filename().string();
    const auto counter = counter_of(name);
    if (counter || name.starts_with('q')) all.push_back({name, counter, counter.has_value()});
  }
  std::sort(all.begin(), all.end(),  // 'm' comes before 'q'
            [](const Entry& a, const Entry& b) { return a.file < b.file; });
  return all;
}

Message Outbox::read(const Entry& entry) const {
  const crypto::SecretBytes bytes = read_secret_file(path("open/" + entry.file));
  Reader reader(bytes);
  Message message;
  message.counter = entry.counter.value_or(0);
  message.id = reader.id<MessageId>();
  message.topic = text_of(reader.lp8());
  const ByteView body = reader.rest();
  message.body.assign(body.begin(), body.end());
  if (!reader.expect_end() || !is_topic(message.topic)) {
    throw Fault(path("open/" + entry.file) + " is not a message. Move it away.");
  }
  return message;
}

Outbox::Entry Outbox::store(std::string_view topic, std::string_view body) const {
  if (!is_topic(topic)) throw Fault("A topic is 1-128 characters of A-Z a-z 0-9 . _ - /.");
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto order = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  const auto id = crypto::random_id<MessageId>();
  const std::string name =
      "q" + padded(static_cast<std::uint64_t>(order)) + "-" + hex(ByteView(id).first(4));
  write_private_file(path("open/" + name), Writer().put(id).lp8(topic).put(body).view());
  return {name, std::nullopt, false};
}

Outbox::Entry Outbox::assign_counter(const Entry& entry, std::uint64_t counter) const {
  const std::string name = "m" + padded(counter);
  rename_durably(path("open/" + entry.file), path("open/" + name));
  return {name, counter, false};
}

void Outbox::remove(const Entry& entry) const { fs::remove(path("open/" + entry.file)); }

}  // namespace sealpost
