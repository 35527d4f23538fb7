// Outbox: repairs what a killed process or a damaged disk has left.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "client/outbox.h"
#include "client/rejected.h"

namespace sealpost {

namespace fs = std::filesystem;

std::vector<std::string> Outbox::recover() const {
  std::vector<std::string> sentences;
  if (!readable_state()) replace_lost_state(sentences);
  remove_pings();
  Rejected(directory_).remove_orphans();
  return sentences;
}

// The server may have acted on messages with a counter, and only their installation could ask.  A
// new installation would give their counters a second meaning.  So they are kept aside first: if
// this is interrupted, the next process does the rest.
void Outbox::replace_lost_state(std::vector<std::string>& sentences) const {
  const Rejected rejected(directory_);
  for (const Entry& entry : entries()) {
    if (!entry.counter || entry.is_ping) continue;
    const std::string name = rejected.keep_unknown(path("open/" + entry.file), *entry.counter);
    sentences.push_back("Message " + std::to_string(*entry.counter) +
                        ": unknown: The client's state was lost, so the server cannot be asked "
                        "about it. It is kept as rejected message " +
                        name + ".");
  }
  if (fs::exists(path("state"))) {
    sentences.push_back(path("state") + " was damaged and is now " + move_to_damaged("state") +
                        ". The client continues as a new installation.");
  } else if (is_installed()) {
    sentences.push_back(path("state") +
                        " was missing. The client continues as a new installation.");
  }
  const std::optional<Credential> credential = stored_credential();
  if (credential) save(ClientState::fresh(*credential));
}

// The process that waited for them was killed.
void Outbox::remove_pings() const {
  std::optional<ClientState> state = readable_state();
  for (const Entry& entry : entries()) {
    if (!entry.is_ping) continue;
    if (entry.counter && state) {
      state->next = std::max(state->next, *entry.counter + 1);
      save(*state);
    }
    remove(entry);
  }
}

std::string Outbox::move_to_damaged(const Entry& entry) const {
  return move_to_damaged("open/" + entry.file);
}

std::string Outbox::move_to_damaged(const std::string& name) const {
  make_private_folder(path("damaged"));
  const std::string wanted = path("damaged/" + fs::path(name).filename().string());
  std::string free = wanted;
  for (int number = 2; fs::exists(free); ++number) free = wanted + "." + std::to_string(number);
  rename_durably(path(name), free);
  return free;
}

}  // namespace sealpost
