// A client's state directory.  A process that works with it may be killed at any moment.
//
//   credential.json    the credential
//   state              client/state.h; replaced atomically
//   open/q...          a queued message: it has no counter yet, so it was never sent
//   open/m...          a message whose counter is in the name: it may have been sent
//   lock               locked by the process that sends
//
// A message file is written under a temporary name, then renamed.  A second rename gives the
// message its counter; it is on disk before the message is sent.  So the next free counter is the
// greater of `next` in the state and one more than the greatest counter in a name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/state.h"
#include "protocol/record.h"

namespace sealpost {

// Reads a file whose bytes are secret.  Throws Fault if it cannot be read.
[[nodiscard]] crypto::SecretBytes read_secret_file(const std::string& path);

class Outbox {
 public:
  // Creates the directory, mode 0700, if it does not exist.  Throws Fault.
  explicit Outbox(std::string directory);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Locks the directory until this object is destroyed, and deletes the unfinished files of killed
  // processes.  Returns false if another process holds the lock for longer than `timeout`.
  [[nodiscard]] bool lock(Milliseconds timeout);

  [[nodiscard]] bool is_installed() const;
  // Both throw Fault if the file does not exist or cannot be read.  credential() also throws if the
  // state belongs to another credential: a file was copied over it, or an installation was
  // interrupted.
  [[nodiscard]] Credential credential() const;
  [[nodiscard]] ClientState state() const;

  // The state of the client whose messages are in the outbox.  If there is no state: an empty one
  // for the credential.  Nothing if there is no credential either.
  [[nodiscard]] std::optional<ClientState> former_state() const;

  void save(const ClientState& state) const;
  // Writes a credential and its empty state.  If it is interrupted, credential() throws until
  // install() is called again.
  void install(ByteView credential, const ClientState& state) const;
  // Writes the same credential again, perhaps with another URL.  The state stays.
  void replace_credential(ByteView credential) const;

  struct Entry {
    std::string file;  // its name in open/
    std::optional<std::uint64_t> counter;
    bool may_have_been_sent = false;  // it was found with a counter, or was posted since
  };
  // Entries with a counter first, by counter; then queued entries, in the order they were stored.
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] Message read(const Entry& entry) const;

  // Stores a message without a counter, durably.
  [[nodiscard]] Entry store(std::string_view topic, std::string_view body) const;
  // Gives a queued message its counter, durably.  After that it may be sent.
  [[nodiscard]] Entry assign_counter(const Entry& entry, std::uint64_t counter) const;
  // Deletes a message.  Save the state first, with `next` above the message's counter.
  void remove(const Entry& entry) const;

 private:
  [[nodiscard]] Credential stored_credential() const;
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
  int lock_ = -1;
};

}  // namespace sealpost
