// A client's state directory.  A process that works with it may be killed at any moment.
//
//   credential.json    the credential
//   state              client/state.h; replaced atomically
//   open/q...          a queued message: it has no counter yet, so it was never sent
//   open/m...          a message whose counter is in the name: it may have been sent
//   open/p..., m...p   the same for a ping
//   rejected/          client/rejected.h
//   replies/           client/replies.h
//   damaged/           files that failed their checksum; nothing reads them
//   lock               locked by the process that sends
//
// Every file carries its length and a checksum.  A file that fails it is moved to damaged/.
//
// A message file is written under a temporary name, then renamed.  A second rename gives the
// message its counter; it is on disk before the message is sent.  So the next free counter is the
// greater of `next` in the state and one more than the greatest counter in a name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/checked_file.h"
#include "client/rejected.h"
#include "client/replies.h"
#include "client/state.h"
#include "protocol/record.h"

namespace sealpost {

// Reads a message file.  Returns nothing if it is damaged.
[[nodiscard]] std::optional<Message> read_message(const std::string& path);

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

  // Whether there is a credential or a state.
  [[nodiscard]] bool is_installed() const;
  // Throws Fault if there is no credential or it is damaged, or if the state belongs to another
  // credential: a file was copied over it, or an installation was interrupted.
  [[nodiscard]] Credential credential() const;
  // Throws Fault if there is no state or it is damaged.
  [[nodiscard]] ClientState state() const;
  // Nothing if there is no state or it is damaged.  Throws Fault if it is of another version.
  [[nodiscard]] std::optional<ClientState> readable_state() const;

  // The state of the client whose messages are in the outbox.  If there is none: an empty one for
  // the credential.  Nothing if that is missing or damaged, too.
  [[nodiscard]] std::optional<ClientState> former_state() const;

  // Repairs what a killed process or a damaged disk has left.  Needs the lock.  Replaces a lost
  // state by a new installation, and deletes pings that nobody waits for.  Returns a sentence for
  // each thing that the user must know.
  [[nodiscard]] std::vector<std::string> recover() const;

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
    bool is_ping = false;
  };
  // Entries with a counter first, by counter; then queued entries, in the order they were stored.
  [[nodiscard]] std::vector<Entry> entries() const;
  // Nothing if the file is damaged.
  [[nodiscard]] std::optional<Message> read(const Entry& entry) const;
  // Moves a damaged message away, so that it is never sent.  Returns its new path.  If it has a
  // counter, save the state first, with `next` above it.
  [[nodiscard]] std::string move_to_damaged(const Entry& entry) const;
  // The same for another file of the directory.
  [[nodiscard]] std::string move_to_damaged(const std::string& name) const;

  // Stores a message without a counter, durably.
  [[nodiscard]] Entry store(std::string_view topic, std::string_view body) const;
  // Gives a queued message its counter, durably.  After that it may be sent.
  [[nodiscard]] Entry assign_counter(const Entry& entry, std::uint64_t counter) const;
  // Moves a message to rejected/, and saves the state.  Needs a counter, and `next` above it.
  // Returns the message's name there.  A kill leaves the message here or there.
  [[nodiscard]] std::string keep_aside(const Entry& entry, const ClientState& state,
                                       const Outcome& outcome) const;
  // Makes a rejected message a queued one.
  [[nodiscard]] Entry put_back(const std::string& name) const;
  [[nodiscard]] Replies replies() const { return Replies(directory_); }
  [[nodiscard]] Rejected rejected() const { return Rejected(directory_); }
  // Deletes a message.  Save the state first, with `next` above the message's counter.
  void remove(const Entry& entry) const;

 private:
  [[nodiscard]] std::optional<Credential> stored_credential() const;
  void replace_lost_state(std::vector<std::string>& sentences) const;
  void remove_pings() const;
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
  int lock_ = -1;
};

}  // namespace sealpost
