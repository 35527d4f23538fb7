// A client's state on disk, such that it may be killed at any moment:
//
//   credential.json    the credential
//   state              client/state.h; replaced whole
//   open/q...          a message that has no counter yet, so has never left: queued
//   open/m...          a message with its counter in its name: it may have left
//   lock               held by the one process that sends
//
// A message file is written whole, then renamed into place; giving it its counter is another
// rename, on disk before it leaves.  So `next` is one more than the greater of what the state says
// and the messages' names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/state.h"
#include "protocol/record.h"

namespace sealpost {

// A whole file whose bytes are secret.  Throws Fault if it can't be read.
[[nodiscard]] crypto::SecretBytes read_secret_file(const std::string& path);

class Outbox {
 public:
  // Makes the folder where there is none, 0700.  Throws Fault.
  explicit Outbox(std::string folder);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Waits for up to `patience` for another process; false if it still works here.  Held until the
  // outbox goes.  Whoever gets it clears away what killed processes have left half-written.
  [[nodiscard]] bool lock(Milliseconds patience);

  [[nodiscard]] bool is_installed() const;
  // Both throw Fault if there is none, or it cannot be read; and the first where the state is
  // another credential's, because somebody has copied a file over it or an installation was cut
  // off.
  [[nodiscard]] Credential credential() const;
  [[nodiscard]] ClientState state() const;

  // Whose messages lie here: the state; where that is missing an empty one of the credential's;
  // nothing if there is neither.
  [[nodiscard]] std::optional<ClientState> former() const;

  void save(const ClientState& state) const;
  // Takes over a credential, with an empty state of its own.  Where it is cut off credential()
  // throws, until it is done again.
  void install(ByteView credential, const ClientState& state) const;
  // Puts the same credential in place of itself, perhaps with another URL.  Its state stays.
  void replace_credential(ByteView credential) const;

  struct Entry {
    std::string file;  // its name in open/
    std::optional<std::uint64_t> counter;
    bool may_have_left = false;  // it was found with its number, or has been posted since
  };
  // Numbered ones first, by counter; then queued ones, in the order they were stored.
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] Message read(const Entry& entry) const;

  // Stores a message without a counter, durably.
  [[nodiscard]] Entry store(std::string_view topic, std::string_view body) const;
  // Gives it its counter, durably: from here on it may leave.
  [[nodiscard]] Entry number(const Entry& entry, std::uint64_t counter) const;
  // Gone.  Save the state, with the counter used, before.
  void remove(const Entry& entry) const;

 private:
  [[nodiscard]] Credential written_credential() const;
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  int lock_ = -1;
};

}  // namespace sealpost
