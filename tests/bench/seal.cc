// Makes homes with many clients, and messages of theirs: forms of one size, one after the other,
// for a load generator to read.  What it writes to stdout says how many bytes each has.
//
//   seal home HOME --clients N
//   seal records HOME OUT --clients N --from I --count M --body B --topic T
//   seal handshakes | unknown | forged | garbage, likewise
//
// Message i is of client i * 7919 mod N, so that neighbours in time are none in the database, with
// the counter i / N.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "bench/bench_clients.h"

namespace sealpost::bench {
namespace {

struct Options {
  std::string kind;
  std::string home;
  std::string out;
  std::uint64_t clients = 1000;
  std::uint64_t from = 0;
  std::uint64_t count = 0;
  std::size_t body = 256;
  std::string topic = "t";
};

// A form like any other, of bytes that are nothing.
std::string garbage(std::size_t size) {
  Envelope envelope;
  envelope.message.resize(size);
  crypto::random_bytes(envelope.message);
  envelope.message.front() |= 0x80;  // neither a handshake nor a record
  return envelope.form();
}

std::string form(const BenchClients& clients, const Options& options, std::uint64_t i) {
  const std::uint64_t client = i * 7919 % options.clients;
  const std::uint64_t counter = i / options.clients;
  if (options.kind == "records")
    return clients.record(client, counter, options.topic, options.body);
  if (options.kind == "handshakes") return clients.handshake(client);
  if (options.kind == "unknown") {
    return clients.record(options.clients + i, counter, options.topic, options.body);
  }
  if (options.kind == "forged") return clients.forged(client, options.body);
  if (options.kind == "garbage") return garbage(options.body);
  throw Fault("there is no kind " + options.kind);
}

void write(const BenchClients& clients, const Options& options) {
  std::ofstream out(options.out, std::ios::binary | std::ios::trunc);
  std::size_t size = 0;
  for (std::uint64_t i = options.from; i < options.from + options.count; ++i) {
    const std::string text = form(clients, options, i);
    if (size != 0 && text.size() != size) throw Fault("the forms are not of one size");
    size = text.size();
    out << text;
  }
  if (!out.flush()) throw Fault(options.out + " cannot be written");
  std::cout << size << '\n';
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app;
  app.add_option("kind", options.kind)->required();
  app.add_option("home", options.home)->required();
  app.add_option("out", options.out);
  app.add_option("--clients", options.clients);
  app.add_option("--from", options.from);
  app.add_option("--count", options.count);
  app.add_option("--body", options.body);
  app.add_option("--topic", options.topic);
  CLI11_PARSE(app, argc, argv);
  umask(077);
  const BenchClients clients(options.home);
  options.kind == "home" ? clients.create_clients(options.clients) : write(clients, options);
  return 0;
}

}  // namespace
}  // namespace sealpost::bench

int main(int argc, char** argv) {
  try {
    return sealpost::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "seal: " << error.what() << '\n';
    return 1;
  }
}
