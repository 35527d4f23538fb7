// sealpost-client status
#include <iostream>

#include "base/result.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {
namespace {

int print_status(const Client::Status& status) {
  std::cout << "name: " << status.name << "\nrole: " << status.role
            << "\ngeneration: " << status.generation << "\nurl: " << status.url
            << "\nsession: " << (status.in_session ? "until " + status.session_until : "none")
            << "\nopen messages: " << status.open << "\nrejected messages: " << status.rejected
            << std::endl;
  if (!std::cout) throw Fault("The status could not be printed. Check that the disk is not full.");
  return 0;
}

}  // namespace

int status(const Options& options) { return print_status(open_client(options).status()); }

}  // namespace sealpost
