// sealpost-client send, flush, ping
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/result.h"
#include "cmd/sealpost-client/commands.h"

namespace sealpost {
namespace {

std::string read_body(const Options& options) {
  if (options.has_data) return options.data;
  if (options.file.empty()) return {std::istreambuf_iterator<char>(std::cin), {}};
  if (std::filesystem::is_directory(options.file)) {
    throw Fault(options.file + " is a directory. Name a file.");
  }
  std::ifstream in(options.file, std::ios::binary);
  if (!in) throw Fault("Cannot read " + options.file + ".");
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int send(const Options& options) {
  Client client = open_client(options);
  const std::string body = read_body(options);
  if (!options.only_queue) {
    return print_outcome(client.send(options.topic, body), kKept);
  }
  client.queue(options.topic, body);
  return 0;
}

int flush(const Options& options) {
  const int status = print_outcome(open_client(options).flush(), kKept);
  if (options.exec.empty()) return status;
  const int given = give_replies(options);
  return status == 0 ? given : status;
}

int ping(const Options& options) { return print_outcome(open_client(options).ping()); }

}  // namespace sealpost
