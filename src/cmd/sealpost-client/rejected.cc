// sealpost-client rejected list, send and drop
#include <iostream>

#include "base/result.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {

int list_rejected(const Options& options) {
  for (const RejectedMessage& message : open_client(options).rejected()) {
    std::cout << message.name << "  " << (message.damaged ? "(damaged)" : message.topic) << "  "
              << message.size << " bytes  " << (message.unknown ? "unknown: " : "")
              << message.status << ": " << message.reason << '\n';
  }
  if (!std::cout.flush())
    throw Fault("The list could not be printed. Check that the disk is not full.");
  return 0;
}

int send_rejected(const Options& options) {
  return print_outcome(open_client(options).send_rejected(options.rejected, options.again), kKept);
}

int drop_rejected(const Options& options) {
  open_client(options).drop_rejected(options.rejected);
  return 0;
}

}  // namespace sealpost
