// Messages that the client keeps but does not send: the server rejected them, or nobody can know
// whether it acted on them (PROTOCOL 10).  In the state directory:
//
//   rejected/NAME        the message; NAME is generation, installation and counter
//   rejected/NAME.why    why it is here
//
// A message moves by one rename, so a kill never makes two of one.
#pragma once

#include <string>
#include <vector>

#include "protocol/ids.h"
#include "sealpost/client.h"

namespace sealpost {

class Rejected {
 public:
  // `directory` is the state directory.
  explicit Rejected(std::string directory) : directory_(std::move(directory)) {}

  // "1-0a1b2c3d-7": unique for all installations of the client.
  [[nodiscard]] static std::string name_of(Generation generation, const InstallNonce& nonce,
                                           std::uint64_t counter);

  // Writes why a message will be kept.  Then save the state, then call keep().
  void write_reason(const std::string& name, const Outcome& outcome) const;
  // Moves a message from `file`, a path.
  void keep(const std::string& file, const std::string& name) const;
  // Keeps a message whose installation is lost.  Returns the name.
  [[nodiscard]] std::string keep_unknown(const std::string& file, std::uint64_t counter) const;

  [[nodiscard]] std::vector<RejectedMessage> list() const;
  // The message with this name, or with this counter if only one has it.  Throws Fault.
  [[nodiscard]] RejectedMessage find(const std::string& which) const;
  // Moves the message to `file`, a path.
  void take(const std::string& name, const std::string& file) const;
  void drop(const std::string& name) const;
  // Deletes the reasons whose messages are gone.
  void remove_orphans() const;

 private:
  [[nodiscard]] std::string path(const std::string& name) const;

  std::string directory_;
};

}  // namespace sealpost
