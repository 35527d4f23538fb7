// sealpost-client install
#include "cmd/sealpost-client/commands.h"

namespace sealpost {

int install(const Options& options) {
  return print_outcome(
      open_client(options).install(options.credential),
      "The credential is not tested. Run `sealpost-client ping` when the server can be reached.");
}

}  // namespace sealpost
