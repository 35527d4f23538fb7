// The replies to messages that nobody waited for: flush sent them, or send before its own message.
//
//   replies/NAME    topic and body; NAME is the message's, as in client/rejected.h
//   replies/.lock   locked by the process that reads them
#pragma once

#include <string>
#include <vector>

#include "sealpost/client.h"

namespace sealpost {

class Replies {
 public:
  // `directory` is the state directory.
  explicit Replies(std::string directory) : directory_(std::move(directory)) {}

  // Writes a reply durably.  The same reply again replaces it.
  void keep(const Reply& reply) const;

  // Calls `take` for each reply, in the order they came, and deletes it if that returns true.
  // Returns the paths of damaged replies, which it leaves.  Throws Fault if another process reads.
  std::vector<std::string> take_each(const std::function<bool(const Reply&)>& take) const;

 private:
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_ + "/replies/" + name;
  }

  std::string directory_;
};

}  // namespace sealpost
